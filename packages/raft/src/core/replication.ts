/**
 * What the leader sends to whom, once per Ready: entries gathered in a turn leave together.
 *
 * Source: Ongaro & Ousterhout (2014), §5.3; pipelining: dissertation §10.2.
 */
import { type EntryBatch, bytesOf, lastIndexOf } from "./entry.ts";
import { type LogIndex } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { sendNow } from "./outbox.ts";
import { type Progress } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";
import { beginTransfer } from "./snapshot-send.ts";
import { UNKNOWN_TERM } from "./term-runs.ts";

/** Sends to every peer what it lacks and has room for. */
export function broadcastAppends(state: RaftState): void {
  const leading = leadershipOf(state);
  leading.isBroadcastDue = false;
  for (const progress of leading.others) sendAppends(state, progress);
}

/** Sends one round of heartbeats; its answers confirm what was asked before it. */
export function broadcastHeartbeat(state: RaftState): void {
  const leading = leadershipOf(state);
  leading.heartbeatElapsed = 0;
  leading.round++;
  leading.own.ackedRound = leading.round;
  if (state.settings.lease !== undefined) {
    leading.roundTimes.push({ round: leading.round, sentMs: state.nowMs });
  }
  for (const progress of leading.others) {
    const commitIndex = Math.min(state.commitIndex, progress.matchIndex);
    sendNow(state, {
      type: "heartbeat-request",
      group: state.group,
      from: state.self,
      to: progress.id,
      term: state.term,
      round: leading.round,
      commitIndex,
      stableIndex: state.stableIndex,
    });
    progress.sentCommit = Math.max(progress.sentCommit, commitIndex);
    progress.matchAtHeartbeat = progress.matchIndex;
  }
}

/** Fills the window of one peer. */
function sendAppends(state: RaftState, progress: Progress): void {
  while (canSend(progress)) {
    const isNews = progress.nextIndex <= state.log.lastIndex;
    const isCommitNews = progress.state === "replicate" && progress.sentCommit < state.commitIndex;
    if (!isNews && !isCommitNews && !progress.isAppendDue && progress.state !== "probe") return;
    if (!sendAppend(state, progress)) return;
  }
  // A full window lets an empty append through, which tells a peer that lost what is in it.
  if (progress.state === "replicate" && progress.inflight.isFull && progress.isAppendDue) {
    progress.isAppendDue = false;
    if (state.log.termAt(progress.nextIndex - 1) === UNKNOWN_TERM) beginTransfer(state, progress);
    else push(state, progress, []);
  }
}

function canSend(progress: Progress): boolean {
  if (progress.state === "probe") return !progress.isProbeSent && !progress.isLoading;
  return progress.state === "replicate" && !progress.inflight.isFull && !progress.isLoading;
}

/** Sends one message. Returns whether another one may follow. */
function sendAppend(state: RaftState, progress: Progress): boolean {
  const { log, settings } = state;
  if (log.termAt(progress.nextIndex - 1) === UNKNOWN_TERM) {
    beginTransfer(state, progress);
    return false;
  }
  let entries: readonly EntryBatch[] | undefined = [];
  if (progress.nextIndex <= log.lastIndex) {
    entries = log.read(progress.nextIndex, log.lastIndex, settings.messageMaxBytes);
  }
  if (entries === undefined) {
    progress.isLoading = true;
    return false;
  }
  progress.isAppendDue = false;
  push(state, progress, entries);
  const last = entries.at(-1);
  if (progress.state === "probe") {
    progress.isProbeSent = true;
    return false;
  }
  if (last === undefined) return false;
  noteSent(progress, entries, lastIndexOf(last));
  return true;
}

function noteSent(progress: Progress, entries: readonly EntryBatch[], lastIndex: LogIndex): void {
  let bytes = 0;
  for (const batch of entries) bytes += bytesOf(batch);
  progress.inflight.add(lastIndex, bytes);
  progress.nextIndex = lastIndex + 1;
}

function push(state: RaftState, progress: Progress, entries: readonly EntryBatch[]): void {
  const prevIndex = progress.nextIndex - 1;
  sendNow(state, {
    type: "append-request",
    group: state.group,
    from: state.self,
    to: progress.id,
    term: state.term,
    prevIndex,
    prevTerm: state.log.termAt(prevIndex),
    entries,
    commitIndex: state.commitIndex,
    stableIndex: state.stableIndex,
  });
  if (progress.state === "replicate") progress.sentCommit = state.commitIndex;
}
