/**
 * Takes in fetched entries: repairs lost payloads, or follows a witness's longer log. See
 * fetch-request.ts for why both are safe.
 */
import { assert } from "@kvs/env";

import { onConfigurationAppended } from "./configuration-change.ts";
import { type EntryBatch, lastIndexOf, sliceBatch } from "./entry.ts";
import { mayFollowWitness, sendFetch } from "./fetch-request.ts";
import { NOBODY } from "./ids.ts";
import { type FetchResponse } from "./message.ts";
import { type RaftState } from "./raft-state.ts";
import { becomeFollower } from "./roles.ts";
import { truncateLog } from "./truncate.ts";

export function stepFetchResponse(state: RaftState, response: FetchResponse): void {
  if (state.log.damaged.length > 0) {
    repair(state, response);
    return;
  }
  if (!mayFollowWitness(state, response.from)) {
    state.drop("unexpected");
    return;
  }
  followWitness(state, response);
}

/** Hands the lost payloads out to be written; they count as repaired once they are durable. */
function repair(state: RaftState, response: FetchResponse): void {
  const { log } = state;
  for (const batch of response.entries) {
    for (const { from, to } of log.damaged) {
      const first = Math.max(from, batch.firstIndex);
      const last = Math.min(to, lastIndexOf(batch));
      if (first > last) continue;
      if (log.firstDifference(sliceBatch(batch, first, last + 1)) !== undefined) {
        state.drop("unexpected"); // another entry than the one that was lost
        return;
      }
      state.outbox.repairs.push(sliceBatch(batch, first, last + 1));
    }
  }
}

function followWitness(state: RaftState, response: FetchResponse): void {
  const { log } = state;
  const { prevIndex, prevTerm, lastIndex, lastTerm } = response;
  const isBetter =
    lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex > log.lastIndex);
  if (!isBetter) {
    state.drop("unexpected");
    return;
  }
  if (response.entries.length === 0) {
    const isStep = response.hintIndex < prevIndex && response.hintIndex >= log.baseIndex;
    if (isStep) sendFetch(state, response.from, response.hintIndex);
    return;
  }
  if (!log.matches(prevIndex, prevTerm)) {
    state.drop("unexpected"); // the log changed since it asked
    return;
  }
  // The entries may be of a term that this node has not heard of (§5.1).
  if (response.term > state.term) becomeFollower(state, response.term, NOBODY);
  const before = log.lastIndex;
  for (const batch of response.entries) extend(state, batch);
  const last = lastIndexOf(response.entries.at(-1)!);
  if (last < lastIndex && log.lastIndex !== before) sendFetch(state, response.from, last);
}

function extend(state: RaftState, batch: EntryBatch): void {
  const { log } = state;
  const from = log.firstDifference(batch);
  if (from === undefined) return;
  assert(from > state.commitIndex, "a better log holds all that is committed");
  if (from <= log.lastIndex) truncateLog(state, from);
  const added = sliceBatch(batch, from, lastIndexOf(batch) + 1);
  log.append(added);
  if (added.kind === "configuration") onConfigurationAppended(state, added);
}
