/**
 * A follower takes in entries (§5.3, figure 2).
 *
 * Entries that match are kept, even if the message ends before them: it may be late (REL-R3). Only a
 * difference cuts the log, and never below the commit index.
 *
 * Source: Ongaro & Ousterhout (2014), §5.3; the hint of a rejection: dissertation §5.3, p. 8 of the
 * paper, with the refinement that both sides skip whole terms.
 */
import { assert } from "@kvs/env";

import { onConfigurationAppended } from "./configuration-change.ts";
import { commitTo } from "./commit-rule.ts";
import { type EntryBatch, lastIndexOf, sliceBatch } from "./entry.ts";
import { type LogIndex } from "./ids.ts";
import { type AppendRequest } from "./message.ts";
import { sendAcknowledgement, sendWithTerm } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";
import { truncateLog } from "./truncate.ts";

export function stepAppendRequest(state: RaftState, request: AppendRequest): void {
  assert(state.role === "follower", "only a follower takes entries");
  if (state.installing !== undefined) {
    state.drop("installing");
    return;
  }
  noteStable(state, request.stableIndex);
  if (request.prevIndex < state.commitIndex && !isSabotagedCut(state, request)) {
    appendBehindCommit(state, request);
    return;
  }
  if (!state.log.matches(request.prevIndex, request.prevTerm)) {
    reject(state, request);
    return;
  }
  if (isSabotagedCut(state, request)) truncateLog(state, request.prevIndex + 1);
  accept(state, request);
}

/** All voters with data hold the entries up to here, says the leader. */
export function noteStable(state: RaftState, stableIndex: LogIndex): void {
  if (stableIndex > state.stableIndex) state.stableIndex = stableIndex;
}

/** The request begins before entries that are committed, and equal by leader completeness. */
function appendBehindCommit(state: RaftState, request: AppendRequest): void {
  const isNewHere = lastOf(request) > state.commitIndex;
  if (isNewHere) {
    accept(state, request);
    return;
  }
  acknowledge(state, request.from, state.commitIndex);
}

function accept(state: RaftState, request: AppendRequest): void {
  for (const batch of request.entries) appendDifference(state, batch);
  const lastMatched = lastOf(request);
  const limit = state.sabotage["raft.commit-beyond-match"] ? state.log.lastIndex : lastMatched;
  commitTo(state, Math.min(request.commitIndex, limit));
  acknowledge(state, request.from, lastMatched);
}

/** Skips what matches, cuts what differs, and appends the rest. */
function appendDifference(state: RaftState, batch: EntryBatch): void {
  const { log } = state;
  const from = log.firstDifference(batch);
  if (from === undefined) return;
  if (from <= log.lastIndex) truncateLog(state, from);
  const added = sliceBatch(batch, from, lastIndexOf(batch) + 1);
  log.append(added);
  if (added.kind === "configuration") onConfigurationAppended(state, added);
}

/** Notes how far the log is the leader's, and says so as far as it is durable and sound. */
function acknowledge(state: RaftState, leader: number, matched: LogIndex): void {
  assert(matched <= state.log.lastIndex, "only entries of the log are acknowledged");
  if (matched > state.matchedIndex) state.matchedIndex = matched;
  sendAcknowledgement(state, leader, state.log.soundTo(matched));
}

/** Says where to look next: the last entry with a term not above the one that did not match. */
function reject(state: RaftState, request: AppendRequest): void {
  const { log } = state;
  const start = Math.min(request.prevIndex, log.lastIndex);
  const hintIndex = log.lastIndexAtOrBelow(start, request.prevTerm);
  sendWithTerm(state, {
    type: "append-response",
    group: state.group,
    from: state.self,
    to: request.from,
    term: state.term,
    accepted: false,
    matchIndex: 0,
    rejectedIndex: request.prevIndex,
    hintIndex,
    hintTerm: log.termAt(hintIndex),
  });
}

/** The last entry of a request, or the one that it follows. */
function lastOf(request: AppendRequest): LogIndex {
  const last = request.entries.at(-1);
  return last === undefined ? request.prevIndex : lastIndexOf(last);
}

function isSabotagedCut(state: RaftState, request: AppendRequest): boolean {
  return (
    state.sabotage["raft.truncate-on-match"] &&
    request.prevIndex < state.log.lastIndex &&
    request.prevIndex >= state.appliedIndex &&
    state.log.matches(request.prevIndex, request.prevTerm)
  );
}
