import { assert } from "@kvs/env";

/** Length of a segment unless told: long enough that changing segments costs nothing. */
export const SEGMENT_BYTES_DEFAULT: number = 64 << 20;
/** Two headers and some payload; small ones are for tests. */
export const SEGMENT_BYTES_MIN = 512;
/** Zero-filling one must stay a matter of seconds, and an offset must fit 32 bits. */
export const SEGMENT_BYTES_MAX: number = 1 << 30;
/** The longest record unless told: a batch of 64 MiB and its envelope. */
export const RECORD_BYTES_DEFAULT: number = (64 << 20) + (1 << 20);
/** Readers assemble a record in memory: none is longer than this, whatever a length field says. */
export const RECORD_BYTES_MAX: number = 256 << 20;
/** Segments kept for reuse by `truncateBefore`: half a minute of writing, at 64 MiB each. */
export const SPARE_SEGMENTS_DEFAULT = 2;
/** More spare segments would only fill the disk, and be searched at every open. */
export const SPARE_SEGMENTS_MAX = 64;
/** Beyond this many bytes that are not durable, `room` asks writers to wait: a few groups. */
export const BUFFERED_BYTES_MAX: number = 16 << 20;

export interface WalOptions {
  /** The log's directory; made if absent. */
  readonly path: string;
  /**
   * Length of each segment's file: a multiple of 512 from `SEGMENT_BYTES_MIN` to
   * `SEGMENT_BYTES_MAX`. Chosen when the log is made; an existing log keeps its own. Default 64 MiB.
   */
  readonly segmentBytes?: number;
  /** Longest payload `append` takes, up to `RECORD_BYTES_MAX`. Default 65 MiB. */
  readonly maxRecordBytes?: number;
  /** Where a new log begins: for tests of large positions. Default 0. */
  readonly startPosition?: number;
  /**
   * A position that the caller knows to have been durable, at the start or the end of a record:
   * the log must hold everything from there on, and end there or later.
   */
  readonly readFrom?: number;
  /** Dropped segments kept for reuse, 0 to `SPARE_SEGMENTS_MAX`. Default 2. */
  readonly spareSegments?: number;
}

export interface ResolvedWalOptions {
  readonly path: string;
  readonly segmentBytes: number;
  readonly maxRecordBytes: number;
  readonly startPosition: number;
  readonly readFrom: number | undefined;
  readonly spareSegments: number;
}

/** Fills in the defaults and checks the ranges. */
export function resolveWalOptions(options: WalOptions): ResolvedWalOptions {
  const { path, readFrom } = options;
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
  const maxRecordBytes = options.maxRecordBytes ?? RECORD_BYTES_DEFAULT;
  const startPosition = options.startPosition ?? 0;
  const spareSegments = options.spareSegments ?? SPARE_SEGMENTS_DEFAULT;
  assert(path !== "", "a log has a directory of its own");
  assert(segmentBytes % 512 === 0, "segmentBytes is a multiple of 512");
  assertWithin("segmentBytes", segmentBytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
  assertWithin("maxRecordBytes", maxRecordBytes, 1, RECORD_BYTES_MAX);
  assertWithin("startPosition", startPosition, 0, Number.MAX_SAFE_INTEGER);
  assertWithin("readFrom", readFrom ?? 0, 0, Number.MAX_SAFE_INTEGER);
  assertWithin("spareSegments", spareSegments, 0, SPARE_SEGMENTS_MAX);
  return { path, segmentBytes, maxRecordBytes, startPosition, readFrom, spareSegments };
}

function assertWithin(name: string, value: number, min: number, max: number): void {
  const isWithin = Number.isSafeInteger(value) && value >= min && value <= max;
  assert(isWithin, `${name} is an integer from ${min} to ${max}`);
}
