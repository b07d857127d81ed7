import { type Environment, type KvsError } from "@kvs/env";

import { applyRepair, finishRepair, writeRepair } from "./repair-file.ts";
import { NEW_REPAIR_NAME, NEW_SEGMENT_NAME, pathIn } from "./segment-name.ts";
import { SegmentSet } from "./segment-set.ts";
import { type Tail, findTail } from "./tail-repair.ts";
import { damaged, isNoSpace } from "./wal-error.ts";
import { type ResolvedWalOptions } from "./wal-options.ts";

/** A log that is ready to be appended to. */
export interface OpenLog {
  readonly segments: SegmentSet;
  /** Durable, for certain. */
  readonly tail: Tail;
}

/**
 * Opens a log for writing: finishes what a crash interrupted, finds the end, cuts a torn tail, and
 * makes the rest durable.
 *
 * 1. Finish an interrupted repair.
 * 2. Find the end (`findTail`), or refuse.
 * 3. Remove segments behind the one that holds the end, if one of them had begun: its header would
 *    speak of records that were cut. Nothing else of a torn tail needs to be wiped out: it has an
 *    older epoch than whatever will be written, and proves nothing beyond the end.
 * 4. Write the last group once more (see repair-file.ts).
 *
 * Each step may be cut short by a crash and is done again by the next open.
 */
export async function openLog(
  environment: Environment,
  options: ResolvedWalOptions,
): Promise<OpenLog> {
  const existing = await SegmentSet.open(environment, options.path, false);
  const segments = existing ?? (await SegmentSet.create(environment, options.path, options));
  try {
    if (existing !== undefined) await removeLeftovers(environment, segments);
    await finishRepair(environment, segments);
    const tail = await findTail(segments, environment.hooks);
    checkReadFrom(segments, tail, options.readFrom);
    const tailBase = segments.geometry.baseBefore(tail.lsn);
    if (segments.lastBegunBase() > tailBase) await segments.dropAfter(tailBase);
    await environment.disk.syncDirectory(segments.directory);
    await secureTail(environment, segments, tail);
    trace(environment, segments, tail);
    return { segments, tail };
  } catch (error) {
    await segments.close();
    throw error;
  }
}

/** Removes what a crash left under names that mean nothing yet. */
async function removeLeftovers(environment: Environment, segments: SegmentSet): Promise<void> {
  const names = await environment.disk.list(segments.directory);
  for (const name of [NEW_SEGMENT_NAME, NEW_REPAIR_NAME]) {
    if (names.includes(name)) await environment.disk.unlink(pathIn(segments.directory, name));
  }
}

function checkReadFrom(segments: SegmentSet, tail: Tail, readFrom: number | undefined): void {
  if (readFrom === undefined) return;
  const { directory: path, headBase } = segments;
  if (tail.lsn < readFrom && segments.geometry.startAfter(tail.lsn) < readFrom) {
    throw tooShort(path, readFrom, tail);
  }
  if (readFrom < headBase) {
    const what = `the log in ${path} begins at ${headBase}, after position ${readFrom}`;
    throw damaged(what, { path, expected: readFrom, found: headBase });
  }
}

function tooShort(path: string, readFrom: number, tail: Tail): KvsError {
  const { reason } = tail.rejection;
  const what = `the log in ${path} is too short: it ends at ${tail.lsn} (${reason}) before ${readFrom}`;
  return damaged(what, { path, offset: tail.lsn, expected: readFrom, found: tail.lsn, reason });
}

/** Makes the last group durable for certain. */
async function secureTail(
  environment: Environment,
  segments: SegmentSet,
  tail: Tail,
): Promise<void> {
  const { geometry } = segments;
  // What the operating system still holds of an earlier process becomes durable here...
  await segments.fileOf(geometry.baseBefore(tail.lsn)).datasync();
  if (tail.provenLsn === tail.lsn) return;
  // ...and what it only claims to hold, after a failed sync, becomes durable here.
  const content = await readRange(segments, tail.provenLsn, tail.lsn);
  const repair = { from: tail.provenLsn, content, isCut: false };
  try {
    await writeRepair(environment, segments, repair);
  } catch (error) {
    // A full disk must not keep a log from opening. Only a sync that failed before would matter.
    if (!isNoSpace(error)) throw error;
    environment.trace.event("warn", "wal", "no space to write the last group once more");
    return;
  }
  await applyRepair(environment, segments, repair);
}

async function readRange(segments: SegmentSet, from: number, to: number): Promise<Uint8Array> {
  const { geometry } = segments;
  const bytes = new Uint8Array(to - from);
  for (let position = from; position < to;) {
    const base = geometry.baseOf(position);
    const end = Math.min(to, base + geometry.segmentBytes);
    await segments.read(base, bytes.subarray(position - from, end - from), position - base);
    position = end;
  }
  return bytes;
}

function trace(environment: Environment, segments: SegmentSet, tail: Tail): void {
  const { reason } = tail.rejection;
  const fields = { endLsn: tail.lsn, headBase: segments.headBase, epoch: tail.epoch, reason };
  const message = tail.isTorn ? "opened, a torn tail was cut" : "opened";
  environment.trace.event("info", "wal", message, fields);
}
