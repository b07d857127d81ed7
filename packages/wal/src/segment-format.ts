/**
 * The header at the start of every segment.
 *
 *   offset  size  field          integers are little-endian
 *        0     8  magic          "KVS-WAL\n"
 *        8     4  version        1
 *       12     4  segmentBytes   length of this file, and of every other segment of this log
 *       16     8  logId          random, chosen when the log was made
 *       24     8  base           position of this header's first byte
 *       32     8  previousLsn    end of the fragment before this segment
 *       40     4  epoch          of the process that began the segment
 *       44     8  reserved       zero
 *       52     8  mark           8 times 0xDD once the segment is dropped; else zero
 *       60     4  checksum       CRC-32 of bytes [0, 52)
 *
 * 1. A header is written together with the first records of its segment, in one write: a segment
 *    is prepared without a header, and has begun when it has a valid one with its own base. Only
 *    the log's very first segment gets its header when it is made.
 * 2. `previousLsn` of the very first segment is the place of its first record, base + 64: there
 *    the empty log ends.
 *
 * 3. The mark is set, durably, before the file is removed or gets another name. It is no part of
 *    what the checksum covers: a torn write of it harms nothing. Any other bytes in its place are no
 *    mark, and harm nothing either.
 *
 * Format: docs/formats/wal.md.
 */
import { assert } from "@kvs/env";
import { crc32 } from "@kvs/codec";

import { getUint64, putUint64 } from "./uint64.ts";

export const SEGMENT_HEADER_BYTES = 64;
export const LOG_ID_BYTES = 8;
export const FORMAT_VERSION = 1;

const MAGIC: readonly number[] = [0x4b, 0x56, 0x53, 0x2d, 0x57, 0x41, 0x4c, 0x0a];
/** Where the mark is. */
export const MARK_OFFSET = 52;
const MARK_BYTES = 8;
const CHECKSUM_OFFSET = 60;

/** Says that a file means nothing any more. */
export const MARK: Uint8Array = new Uint8Array(MARK_BYTES).fill(0xdd);

export interface SegmentHeader {
  readonly version: number;
  readonly segmentBytes: number;
  /** `LOG_ID_BYTES` long. */
  readonly logId: Uint8Array;
  readonly base: number;
  readonly previousLsn: number;
  /** At least 1. */
  readonly epoch: number;
}

/** Which log bytes belong to. */
export interface LogIdentity {
  readonly logId: Uint8Array;
  /** What every fragment's checksum begins with. */
  readonly seed: number;
}

export function toIdentity(logId: Uint8Array): LogIdentity {
  return { logId, seed: crc32(logId) };
}

/** Writes a header of the current version at `offset`. */
export function encodeSegmentHeader(
  target: Uint8Array,
  offset: number,
  header: Omit<SegmentHeader, "version">,
): void {
  assert(header.logId.length === LOG_ID_BYTES, "a log id has 8 bytes");
  assert(header.epoch >= 1 && header.epoch <= 0xffff_ffff, "epochs begin at 1 and fit 32 bits");
  const view = new DataView(target.buffer, target.byteOffset + offset, SEGMENT_HEADER_BYTES);
  target.fill(0, offset, offset + SEGMENT_HEADER_BYTES);
  target.set(MAGIC, offset);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, header.segmentBytes, true);
  target.set(header.logId, offset + 16);
  putUint64(view, 24, header.base);
  putUint64(view, 32, header.previousLsn);
  view.setUint32(40, header.epoch, true);
  const checksum = crc32(target.subarray(offset, offset + MARK_OFFSET));
  view.setUint32(CHECKSUM_OFFSET, checksum, true);
}

/**
 * Decodes the header at `offset`.
 *
 * @returns `undefined` if the bytes are too few, or are no sound header. A sound header of another
 *   version has only `version` for certain: look at it first.
 */
export function decodeSegmentHeader(source: Uint8Array, offset = 0): SegmentHeader | undefined {
  if (source.length - offset < SEGMENT_HEADER_BYTES) return undefined;
  for (const [at, byte] of MAGIC.entries()) if (source[offset + at] !== byte) return undefined;
  const view = new DataView(source.buffer, source.byteOffset + offset, SEGMENT_HEADER_BYTES);
  const checksum = crc32(source.subarray(offset, offset + MARK_OFFSET));
  if (view.getUint32(CHECKSUM_OFFSET, true) !== checksum) return undefined;
  const base = getUint64(view, 24);
  const previousLsn = getUint64(view, 32);
  const epoch = view.getUint32(40, true);
  if (base === undefined || previousLsn === undefined || epoch === 0) return undefined;
  return {
    version: view.getUint32(8, true),
    segmentBytes: view.getUint32(12, true),
    logId: source.slice(offset + 16, offset + 16 + LOG_ID_BYTES),
    base,
    previousLsn,
    epoch,
  };
}

/** Whether there is a mark at `offset`. */
export function isMarked(bytes: Uint8Array, offset: number): boolean {
  return MARK.every((byte, at) => bytes[offset + at] === byte);
}

/**
 * What a dropped file gets that had no header of its own: exactly these bytes, for a torn write may
 * leave anything in the place of a header, something like a mark included.
 */
export function emptyDroppedHeader(): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  bytes.set(MARK, MARK_OFFSET);
  return bytes;
}

/** Whether two log ids are the same. */
export function isSameLog(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, at) => byte === other[at]);
}
