import { type ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import { PAGE_BYTES, PAGE_HEADER_BYTES, type PageId, type Run } from "@kvs/pager";
import { damagedValue } from "./btree-error.ts";
import {
  HEAD_BYTES,
  INLINE_CELL_BYTES_MAX,
  LEAF_CELL_BYTES_MAX,
  LEAF_REST_OFFSET,
  TREE_KEY_BYTES_MAX,
} from "./tree-page.ts";

/**
 * A value that is too long for a leaf lies in overflow pages: runs of pages whose bodies, one after
 * the other, are the value. The leaf's cell holds their descriptor:
 *
 *   offset  size  field        integers are little-endian
 *        0     4  length       bytes in the pages; bit 31: they are the value compressed
 *        4     4  checksum     CRC-32 of these bytes: pages of two values cannot be mixed up
 *        8     2  freedRuns    how many of the value's runs are given back already
 *       10     2  listedRuns   0: the runs here are the value's; else how many runs the list names
 *       12     4  plainLength  of the value, if it is compressed; else the runs begin here
 *        …    6n  runs         first page (4), count (2); in the value's order
 *
 * In a fragmented file a value may have more runs than a cell can name. They are listed then in
 * overflow pages of their own, and the descriptor names the runs of that list: a CRC-32 of the rest
 * (4), then the runs, six bytes each.
 *
 * `freedRuns` is 0 while the row can be read. A row that nobody can need is removed in steps if its
 * pages lie under several bitmap pages; it is marked first (tombstone and overflow), and counts the
 * runs that are gone (row-removal.ts).
 *
 * The pages hold nothing of the descriptor, so that they can be found, read and freed without being
 * read first. The last page is padded with zeros.
 *
 * Format: docs/formats/btree-page.md.
 */
export interface OverflowValue {
  /** Bytes in the pages. */
  readonly length: number;
  /** Of the value, if its pages hold it compressed; else 0. */
  readonly plainLength: number;
  readonly checksum: number;
  /** Runs of the value, or of the list of them. */
  readonly runs: readonly Run<PageId>[];
  readonly listedRuns: number;
  readonly freedRuns: number;
}

/** Bytes of a value in one overflow page. */
export const OVERFLOW_PAGE_BYTES: number = PAGE_BYTES - PAGE_HEADER_BYTES;
/** Bytes of a run in a descriptor or list. */
const RUN_BYTES = 6;
/** Bytes before the runs of a list: its checksum. */
export const LIST_HEAD_BYTES = 4;
/** Pages of the longest run that can be named. */
export const RUN_PAGES_MAX = 0xffff;
/** The longest value of a tree, 64 MiB: even page by page, its runs are fewer than 2^16. */
export const TREE_VALUE_BYTES_MAX: number = 64 << 20;

const FIXED_BYTES = 12;
/** Bytes before the runs, if the value is compressed. */
const FIXED_PACKED_BYTES = 16;
const PACKED_FLAG = 0x8000_0000;
/** A value of at most this many bytes is never worth pages of its own. */
const ALWAYS_INLINE_BYTES = 16;
const KEY_IN_CELL_MAX = TREE_KEY_BYTES_MAX - HEAD_BYTES;
/** Runs that fit a cell beside the longest key. */
export const DIRECT_RUNS_MAX: number = Math.floor(
  (LEAF_CELL_BYTES_MAX - LEAF_REST_OFFSET - KEY_IN_CELL_MAX - FIXED_PACKED_BYTES) / RUN_BYTES,
);

/** Whether a value of this length, under a key of that length, gets pages of its own. */
export function isLongValue(keyBytes: number, valueBytes: number): boolean {
  if (valueBytes <= ALWAYS_INLINE_BYTES) return false;
  return LEAF_REST_OFFSET + keyBytes + valueBytes > INLINE_CELL_BYTES_MAX;
}

/** Pages that this many bytes take. */
export function overflowPages(length: number): number {
  return Math.ceil(length / OVERFLOW_PAGE_BYTES);
}

/** Bytes of the list of this many runs. */
export function listBytes(runs: number): number {
  return LIST_HEAD_BYTES + runs * RUN_BYTES;
}

/**
 * Reads a descriptor.
 *
 * @throws {KvsError} `BTREE_DAMAGED_VALUE` if it is none.
 */
export function readOverflow(bytes: Uint8Array, from: number, to: number): OverflowValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isPacked = to - from > FIXED_BYTES && view.getUint32(from, true) >= PACKED_FLAG;
  const fixedBytes = isPacked ? FIXED_PACKED_BYTES : FIXED_BYTES;
  const runBytes = to - from - fixedBytes;
  if (runBytes < RUN_BYTES || runBytes % RUN_BYTES !== 0) throw damagedValue("a bad descriptor");
  const value: OverflowValue = {
    length: view.getUint32(from, true) % PACKED_FLAG,
    plainLength: isPacked ? view.getUint32(from + FIXED_BYTES, true) : 0,
    checksum: view.getUint32(from + 4, true),
    freedRuns: view.getUint16(from + 8, true),
    listedRuns: view.getUint16(from + 10, true),
    runs: readRuns(bytes, from + fixedBytes, runBytes / RUN_BYTES),
  };
  checkOverflow(value, isPacked);
  return value;
}

function checkOverflow(value: OverflowValue, isPacked: boolean): void {
  const { length, listedRuns } = value;
  const pages = overflowPages(listedRuns === 0 ? length : listBytes(listedRuns));
  if (length === 0 || length > TREE_VALUE_BYTES_MAX || countPages(value.runs) !== pages) {
    throw damagedValue("a descriptor with the wrong pages", { length, pages });
  }
  const valueRuns = listedRuns === 0 ? value.runs.length : listedRuns;
  if (isPacked && value.plainLength === 0) throw damagedValue("a descriptor of no value");
  if (value.freedRuns > valueRuns) throw damagedValue("a descriptor that freed too much");
}

/** Writes a descriptor. */
export function writeOverflow(writer: ByteWriter, value: OverflowValue): void {
  assert(value.runs.length <= DIRECT_RUNS_MAX, "a descriptor fits its cell");
  const isPacked = value.plainLength > 0;
  writer.u32(isPacked ? PACKED_FLAG + value.length : value.length);
  writer.u32(value.checksum);
  writer.u16(value.freedRuns);
  writer.u16(value.listedRuns);
  if (isPacked) writer.u32(value.plainLength);
  writeRuns(writer, value.runs);
}

/**
 * Reads so many runs.
 *
 * @throws {KvsError} `BTREE_DAMAGED_VALUE` if one is empty or names page 0.
 */
export function readRuns(bytes: Uint8Array, from: number, count: number): Run<PageId>[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const runs: Run<PageId>[] = [];
  for (let at = from; at < from + count * RUN_BYTES; at += RUN_BYTES) {
    const run = { first: view.getUint32(at, true) as PageId, count: view.getUint16(at + 4, true) };
    if (run.first === 0 || run.count === 0) throw damagedValue("an empty run of pages");
    runs.push(run);
  }
  return runs;
}

/** Writes runs, six bytes each. */
export function writeRuns(writer: ByteWriter, runs: readonly Run<PageId>[]): void {
  for (const run of runs) {
    writer.u32(run.first);
    writer.u16(run.count);
  }
}

/** Pages in these runs. */
export function countPages(runs: readonly Run<PageId>[]): number {
  let pages = 0;
  for (const run of runs) pages += run.count;
  return pages;
}
