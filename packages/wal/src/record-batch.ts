import { assert } from "@kvs/env";

import { recordTooLarge } from "./wal-error.ts";

/**
 * Several records in one buffer, for `Wal.appendBatch`. All arrays may be longer than `count` and be
 * used again for the next batch.
 */
export interface RecordBatch {
  readonly count: number;
  /** The payloads, one behind the other. Copied. */
  readonly bytes: Uint8Array;
  /** Where in `bytes` each payload ends; the first begins at 0, the others where the one before ends. */
  readonly ends: Uint32Array;
  /** The kind of each, 1 to 255. */
  readonly kinds: Uint8Array;
  /** If given, filled with the position at which each begins, as `lastStart` tells it. */
  readonly starts?: Float64Array;
  /** If given, filled with the LSN of each. */
  readonly lsns?: Float64Array;
}

/**
 * Checks a batch as a whole, so that all of it is appended or nothing.
 *
 * @returns Bytes of all payloads.
 * @throws {KvsError} `WAL_RECORD_TOO_LARGE`.
 */
export function checkBatch(batch: RecordBatch, maxRecordBytes: number): number {
  const { count, bytes, ends, kinds, starts, lsns } = batch;
  assert(count <= ends.length && count <= kinds.length, "every record has an end and a kind");
  assert(starts === undefined || count <= starts.length, "there is room for every start");
  assert(lsns === undefined || count <= lsns.length, "there is room for every LSN");
  let from = 0;
  for (let at = 0; at < count; at++) {
    const to = ends[at]!;
    assert(to >= from && to <= bytes.length, "payloads lie in their buffer, one behind the other");
    assert(kinds[at] !== 0, "a kind is an integer from 1 to 255");
    if (to - from > maxRecordBytes) throw recordTooLarge(to - from, maxRecordBytes);
    from = to;
  }
  return from;
}
