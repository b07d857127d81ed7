/**
 * Entries on the wire. Their indices are not written: each follows the one before.
 *
 *   entries = count:varint run*            `count` runs
 *   run     = kind:u8 term:varint count:varint lengths payloads
 *   lengths = length+1:varint              all payloads have this length, which is not 0
 *           | 0 length:varint*             one for each payload
 *
 * Batches of one term and kind become one run, so that a follower handles in one piece what its leader
 * was given in many. A run of a configuration has one entry.
 *
 * Payloads are copied once when they are written, and not at all when they are read: what is decoded
 * shows the frame's bytes.
 */
import { type ByteReader, type ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";

import { countOf, type EntryBatch, type EntryKind, type Payloads } from "../core/entry.ts";
import { frameMalformed } from "./message-error.ts";

/** More runs than a message of the default size can have; each costs some objects to read. */
const ENTRY_RUNS_MAX: number = 1 << 18;

const KINDS: readonly EntryKind[] = ["command", "empty", "configuration"];

/** Writes batches that follow each other without a gap. */
export function encodeEntries(writer: ByteWriter, batches: readonly EntryBatch[]): void {
  const runs = toRuns(batches);
  assert(runs.length <= ENTRY_RUNS_MAX, "a message has a bounded number of runs");
  writer.varint(runs.length);
  for (const run of runs) encodeRun(writer, run);
}

/**
 * Reads what `encodeEntries` wrote.
 *
 * @param firstIndex Of the first entry.
 * @returns Batches whose `data` are views of the reader's bytes.
 * @throws {KvsError} `CODEC_TRUNCATED`, `CODEC_MALFORMED`, `RAFT_FRAME_MALFORMED`.
 *
 * Memory: offsets of 4 bytes for each payload, which took a byte at least; nothing is allocated for
 * what is not there.
 */
export function decodeEntries(reader: ByteReader, firstIndex: number): EntryBatch[] {
  const runCount = reader.varint();
  // The shortest run has a kind, a term, a count and a length.
  if (runCount > ENTRY_RUNS_MAX || runCount * 4 > reader.remaining) {
    throw frameMalformed(`a message cannot have ${runCount} runs of entries`);
  }
  const batches: EntryBatch[] = [];
  let index = firstIndex;
  for (let at = 0; at < runCount; at++) {
    const kind = KINDS[reader.u8()];
    if (kind === undefined) throw frameMalformed("an entry is of no kind that is known");
    const term = reader.varint();
    const { data, offsets } = decodePayloads(reader);
    batches.push({ kind, term, firstIndex: index, data, offsets });
    index += offsets.length - 1;
  }
  return batches;
}

/** Writes the count, the lengths and the bytes of what several batches hold. */
export function encodePayloads(writer: ByteWriter, batches: readonly Payloads[]): void {
  let count = 0;
  for (const batch of batches) count += countOf(batch);
  writer.varint(count);
  encodeLengths(writer, batches);
  for (const { data, offsets } of batches) {
    const from = offsets[0]!;
    const to = offsets[offsets.length - 1]!;
    writer.bytes(from === 0 && to === data.length ? data : data.subarray(from, to));
  }
}

/** Reads what `encodePayloads` wrote: a view, and offsets into it. */
export function decodePayloads(reader: ByteReader): Payloads {
  const count = reader.varint();
  const uniform = reader.varint();
  if (count === 0) throw frameMalformed("a run has no entries");
  // Before anything is allocated: the payloads, or their lengths, must be there.
  const least = uniform > 1 ? (uniform - 1) * count : count;
  if (least > reader.remaining) throw frameMalformed("a run has fewer bytes than its lengths tell");
  const offsets = new Uint32Array(count + 1);
  if (uniform > 1) {
    const length = uniform - 1;
    for (let at = 1; at <= count; at++) offsets[at] = at * length;
    return { data: reader.bytes(count * length), offsets };
  }
  if (uniform === 1) throw frameMalformed("entries without bytes have single lengths");
  let end = 0;
  for (let at = 1; at <= count; at++) {
    end += reader.varint();
    if (end > reader.remaining) throw frameMalformed("a payload ends behind its message");
    offsets[at] = end;
  }
  return { data: reader.bytes(end), offsets };
}

interface Run {
  readonly kind: EntryKind;
  readonly term: number;
  readonly batches: EntryBatch[];
}

/** Neighbours of one term and kind together. */
function toRuns(batches: readonly EntryBatch[]): readonly Run[] {
  const runs: Run[] = [];
  for (const batch of batches) {
    const { kind, term } = batch;
    const last = runs.at(-1);
    const isSame = last !== undefined && last.term === term && last.kind === kind;
    if (isSame && kind !== "configuration") last.batches.push(batch);
    else runs.push({ kind, term, batches: [batch] });
  }
  return runs;
}

function encodeRun(writer: ByteWriter, run: Run): void {
  writer.u8(KINDS.indexOf(run.kind));
  writer.varint(run.term);
  encodePayloads(writer, run.batches);
}

function encodeLengths(writer: ByteWriter, batches: readonly Payloads[]): void {
  const uniform = uniformLength(batches);
  if (uniform > 0) {
    writer.varint(uniform + 1);
    return;
  }
  writer.varint(0);
  for (const { offsets } of batches) {
    for (let at = 1; at < offsets.length; at++) writer.varint(offsets[at]! - offsets[at - 1]!);
  }
}

/** The length that all payloads have; 0 if there is none such. */
function uniformLength(batches: readonly Payloads[]): number {
  const first = batches[0]!.offsets;
  const length = first[1]! - first[0]!;
  for (const { offsets } of batches) {
    for (let at = 1; at < offsets.length; at++) {
      if (offsets[at]! - offsets[at - 1]! !== length) return 0;
    }
  }
  return length;
}
