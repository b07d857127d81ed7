import { crc32 } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  FLAG_AUTHENTICATED,
  FLAG_SEALED,
  PAGE_BYTES,
  PAGE_EPOCH_OFFSET,
  PAGE_FILE_ID_OFFSET,
  PAGE_FLAGS_OFFSET,
  PAGE_HEADER,
  PAGE_ID_OFFSET,
  PAGE_KEY_ID_OFFSET,
  PAGE_LSN_OFFSET,
  PAGE_OVERFLOW,
  PAGE_TYPE_OFFSET,
} from "./page-header.ts";
import { FIRST_BITMAP_PAGE } from "./bitmap.ts";
import { type PageId } from "./page-id.ts";
import { type PageFault } from "./pager-error.ts";

/** LSNs are below. */
const LSN_END: number = 2 ** 53;

/** Which file a page belongs to, and in which life of the store it is written. */
export interface PageOwner {
  readonly fileId: number;
  readonly epoch: number;
}

/** Fills in what a plain page needs on disk. A later change breaks the checksum. */
export function sealPage(page: Uint8Array, owner: PageOwner): void {
  writeOwner(page, owner);
  writeChecksum(page);
}

/** Writes who the page belongs to. */
export function writeOwner(page: Uint8Array, owner: PageOwner): void {
  assert(page.length === PAGE_BYTES, "a page is sealed whole");
  assert(page[PAGE_TYPE_OFFSET]! !== 0, "a page has a type before it is written");
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  view.setUint32(PAGE_FILE_ID_OFFSET, owner.fileId, true);
  view.setUint32(PAGE_EPOCH_OFFSET, owner.epoch, true);
}

/** The last thing that is done to a page before it is written. */
export function writeChecksum(page: Uint8Array): void {
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  view.setUint32(0, crc32(page.subarray(4, PAGE_BYTES)), true);
}

/** The LSN that a page on the disk has; 2^53 or more if it is none. */
export function readPageLsn(page: Uint8Array): number {
  return getLsn(new DataView(page.buffer, page.byteOffset, PAGE_BYTES));
}

function getLsn(view: DataView): number {
  return (
    view.getUint32(PAGE_LSN_OFFSET, true) + view.getUint32(PAGE_LSN_OFFSET + 4, true) * 2 ** 32
  );
}

/** The life of the store in which a page on the disk was written. */
export function readPageEpoch(page: Uint8Array): number {
  return new DataView(page.buffer, page.byteOffset, PAGE_BYTES).getUint32(PAGE_EPOCH_OFFSET, true);
}

/** The key that a page on the disk was sealed with, 0 if it is plain. */
export function sealedKeyOf(page: Uint8Array): number {
  if ((page[PAGE_FLAGS_OFFSET]! & (FLAG_SEALED | FLAG_AUTHENTICATED)) === 0) return 0;
  return new DataView(page.buffer, page.byteOffset, PAGE_BYTES).getUint32(PAGE_KEY_ID_OFFSET, true);
}

/** What to look for in a page that was read. */
export interface PageExpectation {
  readonly id: PageId;
  readonly fileId: number;
}

/**
 * Looks at a page as it came from the disk, `page.length` bytes of it.
 *
 * @returns What is wrong, or `undefined`.
 */
export function findPageFault(page: Uint8Array, expected: PageExpectation): PageFault | undefined {
  if (page.length < PAGE_BYTES) {
    return { reason: "short", expected: PAGE_BYTES, found: page.length };
  }
  const view = new DataView(page.buffer, page.byteOffset, PAGE_BYTES);
  const checksum = crc32(page.subarray(4, PAGE_BYTES));
  if (view.getUint32(0, true) !== checksum) {
    return { reason: "checksum", expected: view.getUint32(0, true), found: checksum };
  }
  return findHeaderFault(view, expected);
}

/** What is wrong with the header of a page whose bytes are as they were written. */
function findHeaderFault(view: DataView, expected: PageExpectation): PageFault | undefined {
  const type = view.getUint8(PAGE_TYPE_OFFSET);
  const isHeaderPlace = expected.id < FIRST_BITMAP_PAGE;
  const isType = type > 0 && type <= PAGE_OVERFLOW && (type === PAGE_HEADER) === isHeaderPlace;
  if (!isType) {
    return { reason: "type", expected: isHeaderPlace ? PAGE_HEADER : 0, found: type };
  }
  const flags = view.getUint8(PAGE_FLAGS_OFFSET);
  const flagOfType = type === PAGE_HEADER ? FLAG_AUTHENTICATED : FLAG_SEALED;
  if (flags !== 0 && flags !== flagOfType) {
    return { reason: "flags", expected: flagOfType, found: flags };
  }
  const lsn = getLsn(view);
  if (lsn >= LSN_END) return { reason: "lsn", expected: LSN_END, found: lsn };
  const id = view.getUint32(PAGE_ID_OFFSET, true);
  if (id !== expected.id) return { reason: "page-id", expected: expected.id, found: id };
  const fileId = view.getUint32(PAGE_FILE_ID_OFFSET, true);
  if (fileId !== expected.fileId) {
    return { reason: "file-id", expected: expected.fileId, found: fileId };
  }
  return undefined;
}
