/**
 * Passing leadership on (dissertation §3.10).
 *
 * The leader stops taking proposals, brings the target up to its own last entry, and tells it to
 * campaign at once. The target checks that its log really ends there (REL-R18). If nothing comes of
 * it within an election timeout, the leader goes on.
 */
import { isVoter, isWitness } from "./configuration.ts";
import { type NodeId } from "./ids.ts";
import { leadershipOf } from "./leadership.ts";
import { forgoLease } from "./lease.ts";
import { sendNow } from "./outbox.ts";
import { type Progress } from "./progress.ts";
import { invalidTransfer, notLeader } from "./raft-error.ts";
import { type RaftState } from "./raft-state.ts";
import { stepDown } from "./roles.ts";

/** Begins to pass leadership to a voter with data. */
export function beginLeadershipTransfer(state: RaftState, to: NodeId): void {
  const { leading } = state;
  if (leading === undefined) throw notLeader(state.leader);
  const { current } = state.membership;
  if (to === state.self) throw invalidTransfer(to, "it leads already");
  if (!current.incoming.includes(to)) throw invalidTransfer(to, "it is no voter");
  if (isWitness(current, to)) throw invalidTransfer(to, "it holds no data");
  leading.transfer = { to, isSent: false, ticks: 0 };
  const progress = leading.peers.get(to)!;
  if (state.sabotage["raft.transfer-to-stale"]) sendTimeoutNow(state, to);
  else onTransferProgress(state, progress);
}

/** The target may have caught up. */
export function onTransferProgress(state: RaftState, progress: Progress): void {
  const { transfer } = leadershipOf(state);
  if (transfer === undefined || transfer.to !== progress.id || transfer.isSent) return;
  if (progress.matchIndex !== state.log.lastIndex) return;
  transfer.isSent = true;
  sendTimeoutNow(state, transfer.to);
}

/** Gives up a transfer that has not succeeded; proposals are taken again. */
export function tickLeadershipTransfer(state: RaftState): void {
  const leading = leadershipOf(state);
  if (leading.transfer === undefined) return;
  leading.transfer.ticks++;
  if (leading.transfer.ticks < state.settings.electionTicksMax) return;
  leading.transfer = undefined;
}

/** Steps down, and asks a voter that has all entries, if there is one, to take over at once. */
export function handOver(state: RaftState): void {
  const { others } = leadershipOf(state);
  const { current } = state.membership;
  const successor = others.find(
    ({ id, matchIndex }) =>
      matchIndex === state.log.lastIndex && isVoter(current, id) && !isWitness(current, id),
  );
  if (successor !== undefined) sendTimeoutNow(state, successor.id);
  stepDown(state);
}

function sendTimeoutNow(state: RaftState, to: NodeId): void {
  const { lastIndex, lastTerm } = state.log;
  const { group, self: from, term } = state;
  forgoLease(state);
  sendNow(state, { type: "timeout-now", group, from, to, term, lastIndex, lastTerm });
}
