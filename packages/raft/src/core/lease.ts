/**
 * Reads by lease: none of the network, but trust in clocks (dissertation §6.4.1). Off by default.
 *
 * A follower that heard a heartbeat votes for nobody else for `electionTicksMin` ticks. So from the
 * moment at which a round of heartbeats was sent that a quorum answered, no other leader can exist
 * for that long, less one tick of rounding and the drift between clocks.
 *
 * The driver asks before the read, for the index, and again after it: a pause in between may have
 * outlived the lease (REL-R12). After a detected stall only rounds sent since count.
 */
import { type LogIndex, type Term } from "./ids.ts";
import { hasCommittedOwnTerm, leadershipOf } from "./leadership.ts";
import { ackedRoundOf } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";

/** A permission to read a state that has applied `index`, to be confirmed after the read. */
export interface LeaseRead {
  readonly term: Term;
  readonly index: LogIndex;
}

/** Permission to read now, or `undefined`: use ReadIndex then. */
export function openLeaseRead(state: RaftState, nowMs: number): LeaseRead | undefined {
  if (!isLeaseHeld(state, nowMs) || !hasCommittedOwnTerm(state)) return undefined;
  return { term: state.term, index: state.commitIndex };
}

/** Whether the read that was just made was linearizable. */
export function confirmsLeaseRead(state: RaftState, read: LeaseRead, nowMs: number): boolean {
  return read.term === state.term && isLeaseHeld(state, nowMs);
}

/** Leader: a round may have been answered by a quorum; renews the lease from when it was sent. */
export function onRoundsAnswered(state: RaftState): void {
  if (state.settings.lease === undefined) return;
  const leading = leadershipOf(state);
  const answered = leading.voters.committed(ackedRoundOf);
  const { roundTimes } = leading;
  let count = 0;
  while (count < roundTimes.length && roundTimes[count]!.round <= answered) {
    const { round, sentMs } = roundTimes[count]!;
    if (round > leading.leaseFloorRound) leading.leaseStartMs = sentMs;
    count++;
  }
  roundTimes.splice(0, count);
}

/** Takes the lease back until a round that is sent from now on is answered. */
export function revokeLease(state: RaftState): void {
  if (state.leading === undefined) return;
  state.leading.leaseStartMs = Number.NEGATIVE_INFINITY;
  const { leaseFloorRound, round } = state.leading;
  state.leading.leaseFloorRound = Math.max(leaseFloorRound, round);
}

/**
 * Gives up leases for the rest of the term: another node was told to campaign without waiting, and
 * the message may arrive at any time.
 */
export function forgoLease(state: RaftState): void {
  revokeLease(state);
  leadershipOf(state).leaseFloorRound = Number.POSITIVE_INFINITY;
}

function isLeaseHeld(state: RaftState, nowMs: number): boolean {
  const { lease, electionTicksMin } = state.settings;
  const { leading } = state;
  if (lease === undefined || leading === undefined) return false;
  const lengthMs = (electionTicksMin - 1) * lease.tickMs * (1 - lease.driftBound);
  return nowMs >= leading.leaseStartMs && nowMs < leading.leaseStartMs + lengthMs;
}
