import { assert } from "@kvs/env";

import { FRAGMENT_HEADER_BYTES, SEAL_BYTES } from "./record-format.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";

/**
 * A rest of a segment smaller than this takes no fragment: it is skipped. A sealed fragment with one
 * byte would fit; the same for unsealed ones, so that positions alone tell where a fragment begins.
 */
export const FRAGMENT_MIN_BYTES: number = FRAGMENT_HEADER_BYTES + SEAL_BYTES + 1;

/**
 * How positions fall into segments: the segment at base `b` covers [b, b + segmentBytes), so the
 * offset in its file is the position minus `b`. All bases are a multiple of `segmentBytes` apart.
 *
 * A position that ends a fragment belongs to the segment of the byte before it: a fragment that
 * fills its segment ends at the next one's base.
 */
export class Geometry {
  readonly segmentBytes: number;
  readonly #origin: number;

  /** @param origin The base of any segment of this log. */
  constructor(origin: number, segmentBytes: number) {
    assert(segmentBytes > SEGMENT_HEADER_BYTES + FRAGMENT_MIN_BYTES, "a segment holds a fragment");
    this.segmentBytes = segmentBytes;
    this.#origin = origin;
  }

  /** The base of the segment that holds the byte at `position`. */
  baseOf(position: number): number {
    const segments = Math.floor((position - this.#origin) / this.segmentBytes);
    return this.#origin + segments * this.segmentBytes;
  }

  /** The base of the segment that holds the byte before `lsn`. */
  baseBefore(lsn: number): number {
    return this.baseOf(lsn - 1);
  }

  /** Where the segment that holds the byte before `lsn` ends. */
  endAfter(lsn: number): number {
    return this.baseBefore(lsn) + this.segmentBytes;
  }

  /** Where the fragment that follows one ending at `lsn` begins. */
  startAfter(lsn: number): number {
    const end = this.endAfter(lsn);
    if (end - lsn < FRAGMENT_MIN_BYTES) return end + SEGMENT_HEADER_BYTES;
    return Math.max(lsn, end - this.segmentBytes + SEGMENT_HEADER_BYTES);
  }

  /** Where a record of `length` bytes ends that follows one ending at `lsn`; not compressed. */
  recordEnd(lsn: number, length: number, sealBytes: number): number {
    const headerBytes = FRAGMENT_HEADER_BYTES + sealBytes;
    let end = lsn;
    let left = length;
    do {
      const start = this.startAfter(end);
      const rest = this.baseOf(start) + this.segmentBytes - start - headerBytes;
      const count = Math.min(left, rest);
      end = start + headerBytes + count;
      left -= count;
    } while (left > 0);
    return end;
  }

  /** Whether a fragment at `start` is the first of its segment. */
  isFirstInSegment(start: number): boolean {
    return start - this.baseOf(start) === SEGMENT_HEADER_BYTES;
  }

  /** Bytes of log that a record of `length` takes at most, all headers and skipped rests included. */
  imageBytesFor(length: number, sealBytes: number): number {
    const headers = FRAGMENT_HEADER_BYTES + sealBytes;
    const perSegment = this.segmentBytes - SEGMENT_HEADER_BYTES - headers;
    const segments = Math.ceil(length / perSegment) + 1;
    return length + headers + segments * (SEGMENT_HEADER_BYTES + headers + FRAGMENT_MIN_BYTES);
  }

  /** Whether `base` is a place where a segment of this log may begin. */
  isBase(base: number): boolean {
    return (base - this.#origin) % this.segmentBytes === 0;
  }
}
