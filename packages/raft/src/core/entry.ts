import { assert } from "@kvs/env";

import { type LogIndex, type Term } from "./ids.ts";

/**
 * What an entry is to the core.
 *
 * - `command`: bytes for the state machine.
 * - `empty`: what a new leader appends to commit the entries before it (§5.4.2). No bytes.
 * - `configuration`: members, in the form of `encodeConfiguration`.
 */
export type EntryKind = "command" | "empty" | "configuration";

/** Payloads back to back: payload `i` is `data[offsets[i], offsets[i + 1])`. */
export interface Payloads {
  readonly data: Uint8Array;
  /** Ascending, one more than there are payloads. They need not begin at 0. */
  readonly offsets: Uint32Array;
}

/**
 * A run of entries with contiguous indices, one term and one kind. The unit in which the log keeps,
 * sends and hands out entries, so that nothing is allocated for a single one.
 *
 * Immutable, and shared by the log, the disk and all messages: nobody writes into its arrays.
 */
export interface EntryBatch extends Payloads {
  readonly kind: EntryKind;
  readonly term: Term;
  readonly firstIndex: LogIndex;
}

/** Entries count for more than their bytes: an empty one also takes room on the wire. */
export const ENTRY_OVERHEAD_BYTES = 8;

/** How many entries `payloads` has. */
export function countOf(payloads: Payloads): number {
  return payloads.offsets.length - 1;
}

/** The index of the last entry of `batch`. */
export function lastIndexOf(batch: EntryBatch): LogIndex {
  return batch.firstIndex + batch.offsets.length - 2;
}

/** What `payloads` weighs against the limits on messages, windows and caches. */
export function bytesOf(payloads: Payloads): number {
  const { offsets } = payloads;
  const count = offsets.length - 1;
  return offsets[count]! - offsets[0]! + count * ENTRY_OVERHEAD_BYTES;
}

/** Joins payloads into the form in which they are proposed. A single one is not copied. */
export function packPayloads(payloads: readonly Uint8Array[]): Payloads {
  const offsets = new Uint32Array(payloads.length + 1);
  let end = 0;
  for (let at = 0; at < payloads.length; at++) {
    end += payloads[at]!.length;
    offsets[at + 1] = end;
  }
  assert(end < 2 ** 32, "the payloads of a batch have less than 4 GB");
  if (payloads.length === 1) return { data: payloads[0]!, offsets };
  const data = new Uint8Array(end);
  for (let at = 0; at < payloads.length; at++) data.set(payloads[at]!, offsets[at]);
  return { data, offsets };
}

/** The payload of the entry at `index`, as a view. For single entries; loops read `offsets`. */
export function payloadAt(batch: EntryBatch, index: LogIndex): Uint8Array {
  const at = index - batch.firstIndex;
  assert(at >= 0 && at < countOf(batch), "the entry is in the batch");
  return batch.data.subarray(batch.offsets[at], batch.offsets[at + 1]);
}

/** The entries of `batch` with indices in [from, to): views of the same bytes. */
export function sliceBatch(batch: EntryBatch, from: LogIndex, to: LogIndex): EntryBatch {
  const { firstIndex } = batch;
  const end = firstIndex + countOf(batch);
  assert(from >= firstIndex && from < to && to <= end, "the slice lies in the batch");
  if (from === firstIndex && to === end) return batch;
  const offsets = batch.offsets.subarray(from - firstIndex, to - firstIndex + 1);
  return { kind: batch.kind, term: batch.term, firstIndex: from, data: batch.data, offsets };
}

/** The first entries of `batch` that weigh at most `maxBytes` together, but at least one. */
export function limitBatch(batch: EntryBatch, maxBytes: number): EntryBatch {
  if (bytesOf(batch) <= maxBytes) return batch;
  const { offsets, firstIndex } = batch;
  const start = offsets[0]!;
  let low = 1; // the largest count known to be allowed
  let high = offsets.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (offsets[middle]! - start + middle * ENTRY_OVERHEAD_BYTES <= maxBytes) low = middle;
    else high = middle - 1;
  }
  return sliceBatch(batch, firstIndex, firstIndex + low);
}
