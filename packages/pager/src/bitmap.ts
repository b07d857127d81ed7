import { assert } from "@kvs/env";
import { PAGE_BYTES, PAGE_HEADER_BYTES } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { type PageView } from "./page-view.ts";

/**
 * Which pages are in use: one bit a page, 1 if in use. Bitmap page k has id
 * `FIRST_BITMAP_PAGE + k * BITMAP_BITS` and covers the pages from `k * BITMAP_BITS` on, itself
 * included. Bit i of a page is bit `i % 8` of its body's byte `i / 8`.
 *
 * Format: docs/formats/page.md.
 */
export const FIRST_BITMAP_PAGE = 2;
/** Pages that one bitmap page covers: 126 MiB of them. */
export const BITMAP_BITS: number = (PAGE_BYTES - PAGE_HEADER_BYTES) * 8;

/** `count` pages from `first` on; or that many bits of one bitmap page. */
export interface Run<First extends number = number> {
  readonly first: First;
  readonly count: number;
}

/** The bitmap page that covers `id`. */
export function bitmapPageOf(id: PageId): PageId {
  return (FIRST_BITMAP_PAGE + Math.floor(id / BITMAP_BITS) * BITMAP_BITS) as PageId;
}

/** The bit of `id` in its bitmap page. */
export function bitOf(id: PageId): number {
  return id % BITMAP_BITS;
}

/** Whether the bit is set. */
export function hasBit(bitmap: PageView, bit: number): boolean {
  const byte = bitmap.u8[bitmap.base + PAGE_HEADER_BYTES + (bit >>> 3)]!;
  return ((byte >>> (bit & 7)) & 1) === 1;
}

/** Sets or clears the bits of a run. */
export function setBits(bitmap: PageView, run: Run, isUsed: boolean): void {
  assert(run.first + run.count <= BITMAP_BITS, "a run of bits lies in one bitmap page");
  const body = bitmap.base + PAGE_HEADER_BYTES;
  for (let bit = run.first; bit < run.first + run.count; bit++) {
    const mask = 1 << (bit & 7);
    if (isUsed) bitmap.u8[body + (bit >>> 3)]! |= mask;
    else bitmap.u8[body + (bit >>> 3)]! &= ~mask;
  }
}

/** The bits of a bitmap page that are set from the start: its own, and those of the file's headers. */
export function reservedBits(bitmap: PageId): Run {
  return bitmap === FIRST_BITMAP_PAGE ? { first: 0, count: 3 } : { first: bitOf(bitmap), count: 1 };
}
