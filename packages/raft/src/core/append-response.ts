/**
 * The leader learns how far a follower's log is its own (§5.3).
 *
 * Source: Ongaro & Ousterhout (2014), §5.3, figure 2. Late and repeated answers change nothing
 * (REL-R6).
 */
import { maybeCommit, updateStableIndex } from "./commit-rule.ts";
import { leadershipOf } from "./leadership.ts";
import { onTransferProgress } from "./leadership-transfer.ts";
import { type AppendResponse } from "./message.ts";
import { type Progress } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";

export function stepAppendResponse(state: RaftState, response: AppendResponse): void {
  const leading = leadershipOf(state);
  const progress = leading.peers.get(response.from);
  if (progress === undefined) {
    state.drop("unknown-member");
    return;
  }
  const claimed = response.accepted ? response.matchIndex : response.rejectedIndex;
  if (claimed > state.log.lastIndex) {
    state.drop("beyond-log");
    return;
  }
  progress.isActive = true;
  if (response.accepted) onAccepted(state, progress, response);
  else onRejected(state, progress, response);
}

function onRejected(state: RaftState, progress: Progress, response: AppendResponse): void {
  const { hintIndex, hintTerm } = response;
  // The follower's hint has a term of its own there; this log's last entry not above it is next.
  const next = state.log.lastIndexAtOrBelow(hintIndex, hintTerm);
  if (progress.reject(response.rejectedIndex, Math.min(next, hintIndex))) {
    progress.isAppendDue = true;
    leadershipOf(state).isBroadcastDue = true;
  }
}

function onAccepted(state: RaftState, progress: Progress, response: AppendResponse): void {
  const leading = leadershipOf(state);
  const { matchIndex } = response;
  if (state.sabotage["raft.match-regress"])
    progress.matchIndex = Math.min(matchIndex, progress.matchIndex);
  const isNews = progress.acknowledge(matchIndex);
  if (progress.state === "replicate") {
    progress.inflight.acknowledge(matchIndex);
  } else if (progress.state === "probe") {
    if (isNews || matchIndex === progress.matchIndex) progress.becomeReplicate();
  } else if (isInstalled(progress)) {
    progress.becomeReplicate();
  }
  // The window has room again, or the peer does not know what is committed.
  const isBehind =
    progress.nextIndex <= state.log.lastIndex || progress.sentCommit < state.commitIndex;
  if (isBehind) leading.isBroadcastDue = true;
  if (!isNews) return;
  maybeCommit(state);
  if (leading.hasWitnesses) updateStableIndex(state);
  onTransferProgress(state, progress);
}

/** Whether the peer has come to hold what the snapshot under way was for. */
function isInstalled({ transfer, matchIndex }: Progress): boolean {
  return transfer !== undefined && matchIndex >= transfer.snapshot.index;
}
