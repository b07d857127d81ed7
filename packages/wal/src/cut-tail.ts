import { AssertionFailure, assert, isKvsError } from "@kvs/env";

import { failureOf } from "./log-space.ts";
import { type Lsn } from "./lsn.ts";
import { applyRepair, writeRepair } from "./repair-file.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { assertRecordEnd } from "./tail-repair.ts";
import { isNoSpace } from "./wal-error.ts";
import { type WalParts } from "./wal-parts.ts";

/**
 * Cuts off every record after `position`: in memory, and on disk if any of it may be there.
 *
 * Groups wait meanwhile, and nobody may append.
 *
 * @throws {KvsError} as `Wal.truncateAfter`.
 */
export async function cutTail(parts: WalParts, position: Lsn): Promise<void> {
  const { segments, buffer, commit } = parts;
  const { geometry, headBase } = segments;
  const offset = position - geometry.baseBefore(position);
  const isFirst = position === headBase + SEGMENT_HEADER_BYTES;
  assert(position > headBase && position <= buffer.lsn, "a cut lies within the log");
  assert(offset > SEGMENT_HEADER_BYTES || isFirst, "a cut is at the end of a record");
  if (commit.failure !== undefined) throw commit.failure;
  buffer.refuse(() => new AssertionFailure("nobody appends while the log is cut"));
  await commit.paused(async () => {
    if (commit.failure !== undefined) throw commit.failure;
    if (position < commit.attemptedLsn) await cutOnDisk(parts, position);
    buffer.cutAfter(position);
    commit.cutAfter(position);
    buffer.accept();
  });
}

async function cutOnDisk(parts: WalParts, position: Lsn): Promise<void> {
  const { environment, segments, buffer, commit } = parts;
  try {
    if (position < commit.durableLsn) await assertRecordEnd(segments, position);
  } catch (error) {
    if (isKvsError(error)) buffer.accept(); // a failed read: nothing has changed
    throw error;
  }
  const repair = { from: position, content: new Uint8Array(0), isCut: true };
  try {
    await writeRepair(environment, segments, repair);
  } catch (error) {
    if (isNoSpace(error)) buffer.accept();
    throw failureOf(commit, error);
  }
  try {
    await applyRepair(environment, segments, repair);
  } catch (error) {
    commit.fail(error); // the cut is decided: the next open finishes it
    throw commit.failure ?? error;
  }
}
