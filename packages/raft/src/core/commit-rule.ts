/**
 * When entries are committed.
 *
 * A leader commits what a quorum holds durably, itself included only after its own disk reported
 * (REL-R2), and only up to an entry of its own term: earlier entries are committed with it, never
 * by counting (§5.4.2, figure 8).
 *
 * Source: Ongaro & Ousterhout (2014), §5.3, §5.4.2.
 */
import { assert } from "@kvs/env";

import { type LogIndex } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { matchOf } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";

/** Leader: commits what a quorum has come to hold. */
export function maybeCommit(state: RaftState): void {
  const leading = leadershipOf(state);
  const index = leading.voters.committed(matchOf);
  if (index <= state.commitIndex || index > state.log.lastIndex) return;
  const isOwnTerm = state.log.termAt(index) === state.term;
  if (!isOwnTerm && !state.sabotage["raft.commit-older-term"]) return;
  commitTo(state, index);
  leading.uncommitted.release(index);
  leading.isBroadcastDue = true;
  leading.isCommitNews = true;
}

/** Notes that the entries up to `index` are committed; earlier news changes nothing (REL-R5). */
export function commitTo(state: RaftState, index: LogIndex): void {
  if (index <= state.commitIndex) return;
  assert(index <= state.log.lastIndex, "only entries of the log are committed");
  const isChange =
    state.membership.currentIndex > state.commitIndex && state.membership.currentIndex <= index;
  state.commitIndex = index;
  trace(state, "Commit");
  if (isChange) trace(state, "ApplyConfChange");
}

/** Leader: the last entry that every voter with data holds durably. */
export function updateStableIndex(state: RaftState): void {
  const { dataVoters } = leadershipOf(state);
  let stable = state.commitIndex;
  for (const progress of dataVoters) stable = Math.min(stable, matchOf(progress));
  if (stable > state.stableIndex) state.stableIndex = stable;
}
