/**
 * The header before every fragment of a record. A record that fits into the rest of its segment is
 * one fragment; a larger one is cut, and each fragment but the last fills its segment.
 *
 *   offset  size  field           integers are little-endian
 *        0     4  checksum        CRC-32 of bytes [4, 32 + length), begun with the log's seed
 *        4     4  length          bytes of payload after this header
 *        8     4  epoch           of the process that wrote it; at least 1
 *       12     1  kind            the caller's; never 0, so that zeros are no fragment
 *       13     1  flags           bit 0: first of its record, bit 1: last of its record,
 *                                 bit 2: sealed, bits 3-4: how the record was compressed
 *       14     2  reserved        zero
 *       16     8  previousLsn     end of the fragment before: where this one begins, unless it is
 *                                 the first of its segment
 *       24     4  syncedDistance  this fragment's start minus a position that was durable before
 *                                 this fragment was written
 *       28     4  reserved        zero
 *
 * 1. The seed is the CRC-32 of the log's id: fragments of another log never check.
 * 2. Every byte is covered: what the checksum does not cover is the checksum itself.
 * 3. `start - syncedDistance` proves what had been made durable. A bad fragment before such a
 *    position is damage, not a torn tail (see tail-repair.ts).
 *
 * Format: docs/formats/wal.md.
 */
import { NONCE_BYTES, TAG_BYTES, assert } from "@kvs/env";
import { crc32, crc32Range } from "@kvs/codec";

import { getUint64, putUint64 } from "./uint64.ts";

export const FRAGMENT_HEADER_BYTES = 32;
/** The checksum stands first, and covers all but itself. */
const CHECKSUM_BYTES = 4;
/** Flag of the first fragment of a record. */
export const FIRST_FRAGMENT = 1;
/** Flag of the last fragment of a record. */
export const LAST_FRAGMENT = 2;
/** Flags of a record that is one fragment. */
export const WHOLE_RECORD: number = FIRST_FRAGMENT | LAST_FRAGMENT;
/** Flag of a fragment whose payload begins with a seal (see fragment-seal.ts). */
export const SEALED_FRAGMENT = 4;
/** Where the flags hold the number of the compression method (see record-compression.ts). */
export const COMPRESSION_SHIFT = 3;
/** The largest flags that mean something: the methods are 0 to 2. */
export const FLAGS_MAX: number = WHOLE_RECORD | SEALED_FRAGMENT | (2 << COMPRESSION_SHIFT);
/** What a sealed fragment's payload begins with: key, nonce and tag. */
export const SEAL_BYTES: number = 4 + NONCE_BYTES + TAG_BYTES;

export interface FragmentHeader {
  /** Bytes of payload. */
  length: number;
  epoch: number;
  /** 1 to 255. */
  kind: number;
  flags: number;
  previousLsn: number;
  syncedDistance: number;
}

/**
 * Writes the header of the fragment whose payload is already in place behind it, and seals both.
 *
 * @param view Of all of `target`.
 * @param header Read only; the caller may use one object for all its fragments.
 */
export function sealFragment(
  target: Uint8Array,
  view: DataView,
  offset: number,
  header: FragmentHeader & { readonly seed: number },
): void {
  view.setUint32(offset + 4, header.length, true);
  view.setUint32(offset + 8, header.epoch, true);
  view.setUint32(offset + 12, header.kind | (header.flags << 8), true);
  putUint64(view, offset + 16, header.previousLsn);
  view.setUint32(offset + 24, header.syncedDistance, true);
  view.setUint32(offset + 28, 0, true);
  const end = offset + FRAGMENT_HEADER_BYTES + header.length;
  view.setUint32(offset, crc32Range(target, offset + 4, end, header.seed), true);
}

/** A sabotage for tests: the checksum covers the payload only. */
export function sealPayloadOnly(
  target: Uint8Array,
  view: DataView,
  offset: number,
  header: FragmentHeader & { readonly seed: number },
): void {
  const from = offset + FRAGMENT_HEADER_BYTES;
  view.setUint32(offset, crc32Range(target, from, from + header.length, header.seed), true);
}

/** Why bytes are no header of a fragment. */
export type HeaderFault = "zeros" | "header" | "length";

/**
 * Reads the header at `offset` into `target`, without checking its checksum.
 *
 * @param rest Bytes from `offset` to the end of the segment.
 * @returns What makes it none, or `undefined`. A length is then at most what the rest holds.
 */
export function readFragmentHeader(
  view: DataView,
  offset: number,
  rest: number,
  target: FragmentHeader,
): HeaderFault | undefined {
  const length = view.getUint32(offset + 4, true);
  const epoch = view.getUint32(offset + 8, true);
  const word = view.getUint32(offset + 12, true); // kind, flags, reserved
  const kind = word & 0xff;
  const flags = word >>> 8;
  const previousLsn = getUint64(view, offset + 16);
  if (kind === 0 && length === 0 && epoch === 0) return "zeros";
  if (kind === 0 || epoch === 0 || flags > FLAGS_MAX) return "header";
  if (previousLsn === undefined || view.getUint32(offset + 28, true) !== 0) return "header";
  if (!isPlausibleLength(length, flags, rest)) return "length";
  target.length = length;
  target.epoch = epoch;
  target.kind = kind;
  target.flags = flags;
  target.previousLsn = previousLsn;
  target.syncedDistance = view.getUint32(offset + 24, true);
  return undefined;
}

function isPlausibleLength(length: number, flags: number, rest: number): boolean {
  const max = rest - FRAGMENT_HEADER_BYTES;
  if (length > max || length < sealBytesOf(flags)) return false;
  // A record goes on in the next segment only because this one was full.
  return (flags & LAST_FRAGMENT) !== 0 || length === max;
}

/** Bytes of a fragment's payload that are its seal. */
export function sealBytesOf(flags: number): number {
  return (flags & SEALED_FRAGMENT) === 0 ? 0 : SEAL_BYTES;
}

/** A header to read into. */
export function emptyHeader(): FragmentHeader {
  return { length: 0, epoch: 0, kind: 0, flags: 0, previousLsn: 0, syncedDistance: 0 };
}

/** The checksum that the header at `offset` carries. */
export function storedChecksum(view: DataView, offset: number): number {
  return view.getUint32(offset, true);
}

/** The checksum that the fragment of `length` payload bytes at `offset` should carry. */
export function fragmentChecksum(
  source: Uint8Array,
  offset: number,
  length: number,
  seed: number,
): number {
  const end = offset + FRAGMENT_HEADER_BYTES + length;
  assert(end <= source.length, "a fragment is checked when all of it is there");
  return crc32(source.subarray(offset + CHECKSUM_BYTES, end), seed);
}

/** A sabotage for tests: what `sealPayloadOnly` writes. */
export function payloadChecksum(
  source: Uint8Array,
  offset: number,
  length: number,
  seed: number,
): number {
  const from = offset + FRAGMENT_HEADER_BYTES;
  return crc32(source.subarray(from, from + length), seed);
}
