import { type DataKeys, assert } from "@kvs/env";

import { type WalArchive } from "./archiver.ts";

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

/** Shorter payloads are not compressed unless told: it would cost more time than it saves bytes. */
export const COMPRESS_FROM_BYTES_DEFAULT = 512;

/** Names of compressors, as in `Environment.compressors`. */
export type CompressionMethod = "zstd" | "fast";

export interface WalCompression {
  readonly compressor: CompressionMethod;
  /** Shorter payloads stay as they are. Default `COMPRESS_FROM_BYTES_DEFAULT`. */
  readonly fromBytes?: number;
}

/** Room kept for urgent records, at most. */
export const RESERVE_BYTES_MAX: number = 1 << 30;

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
  /**
   * Seals every record with `keys.currentId`, and opens what is sealed with any of the keys. A log
   * may hold records of several keys, and unsealed ones from before there were keys. Default: nothing
   * is sealed, and sealed records cannot be read.
   */
  readonly keys?: DataKeys;
  /**
   * From this position on every record must be sealed: one that is not is `WAL_NOT_AUTHENTIC`. Without
   * it, whoever may write to the disk can put an unsealed record in the place of a sealed one.
   * Default: none must.
   */
  readonly sealedFrom?: number;
  /**
   * Bytes of log kept for urgent records when the disk is full (see `ensureSpace`), up to
   * `RESERVE_BYTES_MAX`. Default 0. Enough for undo, a checkpoint and some deletes: 4 MiB, or a
   * segment where segments are smaller.
   */
  readonly reserveBytes?: number;
  /** Gets every segment that is full; none is dropped before it was taken. Default: none does. */
  readonly archive?: WalArchive;
  /** Compresses records that become shorter by it. Default: none; what is compressed can be read. */
  readonly compression?: WalCompression;
}

export interface ResolvedWalOptions {
  readonly path: string;
  readonly segmentBytes: number;
  readonly maxRecordBytes: number;
  readonly startPosition: number;
  readonly readFrom: number | undefined;
  readonly spareSegments: number;
  readonly reserveBytes: number;
  readonly archive: WalArchive | undefined;
  readonly keys: DataKeys | undefined;
  /** `Infinity`: unsealed records are taken everywhere. */
  readonly sealedFrom: number;
  readonly compression: Required<WalCompression> | undefined;
}

/** Fills in the defaults and checks the ranges. */
export function resolveWalOptions(options: WalOptions): ResolvedWalOptions {
  const { path, readFrom } = options;
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
  const maxRecordBytes = options.maxRecordBytes ?? RECORD_BYTES_DEFAULT;
  const startPosition = options.startPosition ?? 0;
  const spareSegments = options.spareSegments ?? SPARE_SEGMENTS_DEFAULT;
  const reserveBytes = options.reserveBytes ?? 0;
  assert(path !== "", "a log has a directory of its own");
  assert(segmentBytes % 512 === 0, "segmentBytes is a multiple of 512");
  assertWithin("segmentBytes", segmentBytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
  assertWithin("maxRecordBytes", maxRecordBytes, 1, RECORD_BYTES_MAX);
  assertWithin("startPosition", startPosition, 0, Number.MAX_SAFE_INTEGER);
  assertWithin("readFrom", readFrom ?? 0, 0, Number.MAX_SAFE_INTEGER);
  assertWithin("spareSegments", spareSegments, 0, SPARE_SEGMENTS_MAX);
  assertWithin("reserveBytes", reserveBytes, 0, RESERVE_BYTES_MAX);
  const sizes = {
    reserveBytes,
    segmentBytes,
    maxRecordBytes,
    startPosition,
    readFrom,
    spareSegments,
  };
  const { keys, archive, sealedFrom = Infinity } = options;
  if (sealedFrom !== Infinity) assertWithin("sealedFrom", sealedFrom, 0, Number.MAX_SAFE_INTEGER);
  return { path, ...sizes, archive, keys, sealedFrom, compression: resolveCompression(options) };
}

function resolveCompression({ compression }: WalOptions): Required<WalCompression> | undefined {
  if (compression === undefined) return undefined;
  const { compressor, fromBytes = COMPRESS_FROM_BYTES_DEFAULT } = compression;
  assertWithin("fromBytes", fromBytes, 0, RECORD_BYTES_MAX);
  return { compressor, fromBytes };
}

function assertWithin(name: string, value: number, min: number, max: number): void {
  const isWithin = Number.isSafeInteger(value) && value >= min && value <= max;
  assert(isWithin, `${name} is an integer from ${min} to ${max}`);
}
