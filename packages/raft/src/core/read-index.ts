/**
 * Linearizable reads without the log (dissertation §6.4).
 *
 * 1. A leader knows what is committed only once an entry of its own term is (REL-R10).
 * 2. The read's index is the commit index at that time or later.
 * 3. A quorum answers a round of heartbeats that was sent after the read arrived: no other leader
 *    had been elected by then. Rounds grow within a term and are pinned to it, so that no late
 *    answer confirms a later read (REL-R11; etcd issue 20418).
 * 4. The state applies up to the index, and answers.
 *
 * All reads of a turn share one context and one round. A follower asks its leader, with a context of
 * its own for each attempt, also across restarts.
 */
import { assert } from "@kvs/env";

import { NOBODY } from "./ids.ts";
import { hasCommittedOwnTerm, leadershipOf, type PendingRead } from "./leadership.ts";
import { type ReadRequest, type ReadResponse } from "./message.ts";
import { sendNow, sendWithTerm } from "./outbox.ts";
import { ackedRoundOf } from "./progress.ts";
import { notLeader, tooManyReads } from "./raft-error.ts";
import { type RaftState } from "./raft-state.ts";
import { broadcastHeartbeat } from "./replication.ts";

/**
 * Reads that wait for confirmation at a time, each of them a whole turn of some node. More are refused,
 * or, if they come from followers, dropped and time out there.
 */
const READS_MAX = 10_000;

/** Opens a read, or joins the one of this turn. Returns its context. */
export function openRead(state: RaftState): number {
  if (state.leader === NOBODY) throw notLeader(NOBODY);
  if (state.openReadContext === 0) {
    const waiting = state.leading?.pendingReads.length ?? state.forwardedReads.length;
    if (waiting >= READS_MAX) throw tooManyReads(waiting);
    state.lastReadContext++;
    state.openReadContext = state.lastReadContext;
  }
  return state.openReadContext;
}

/** Once per Ready: sends what confirms the reads of this turn. */
export function flushReads(state: RaftState): void {
  if (state.leading === undefined) {
    forwardReads(state);
    return;
  }
  const { leading } = state;
  if (state.openReadContext === 0 && leading.openRemoteReads.length === 0) return;
  if (!hasCommittedOwnTerm(state) && !state.sabotage["raft.read-before-own-term"]) return;
  const isLate = state.sabotage["raft.read-confirmed-by-earlier-heartbeat"] && leading.round > 0;
  const round = isLate ? leading.round : leading.round + 1;
  const index = state.commitIndex;
  if (state.openReadContext !== 0) {
    leading.pendingReads.push({ from: state.self, context: state.openReadContext, index, round });
    state.openReadContext = 0;
  }
  for (const { from, context } of leading.openRemoteReads) {
    leading.pendingReads.push({ from, context, index, round });
  }
  leading.openRemoteReads.length = 0;
  if (!isLate) broadcastHeartbeat(state);
  assert(leading.round >= round, "the round that confirms a read is sent");
  confirmReads(state); // a group of one needs no answer
}

/** Leader: releases the reads whose round a quorum has answered. */
export function confirmReads(state: RaftState): void {
  const leading = leadershipOf(state);
  const { pendingReads } = leading;
  if (pendingReads.length === 0) return;
  const answered = leading.voters.committed(ackedRoundOf);
  let count = 0;
  while (count < pendingReads.length && pendingReads[count]!.round <= answered) {
    release(state, pendingReads[count]!);
    count++;
  }
  pendingReads.splice(0, count);
}

/** A follower asks. The leader takes it together with its own reads. */
export function stepReadRequest(state: RaftState, request: ReadRequest): void {
  const leading = leadershipOf(state);
  if (leading.openRemoteReads.length + leading.pendingReads.length >= READS_MAX) {
    state.drop("unexpected");
    return;
  }
  leading.openRemoteReads.push({ from: request.from, context: request.context });
}

/** The leader answers one of this follower's attempts. */
export function stepReadResponse(state: RaftState, response: ReadResponse): void {
  const isReused = state.sabotage["raft.read-context-reused"];
  const position = state.forwardedReads.findIndex(
    ({ context }) => context === response.context || (isReused && context > response.context),
  );
  if (position === -1 || response.from !== state.leader) {
    state.drop("unexpected");
    return;
  }
  const { context } = state.forwardedReads[position]!;
  state.forwardedReads.splice(position, 1);
  state.outbox.reads.push({ context, index: response.index });
}

/** Gives up what the leader has not answered within an election timeout. */
export function tickForwardedReads(state: RaftState): void {
  const { forwardedReads } = state;
  for (const read of forwardedReads) read.ticks++;
  while (forwardedReads.length > 0) {
    const oldest = forwardedReads[0]!;
    if (oldest.ticks < state.settings.electionTicksMax) return;
    forwardedReads.shift();
    state.outbox.failedReads.push(oldest.context);
  }
}

function forwardReads(state: RaftState): void {
  const context = state.openReadContext;
  if (context === 0) return;
  assert(state.leader !== NOBODY, "reads without a leader were refused or aborted");
  state.openReadContext = 0;
  state.forwardedReads.push({ context, ticks: 0 });
  const { group, self: from, leader: to, term } = state;
  sendWithTerm(state, { type: "read-request", group, from, to, term, context });
}

function release(state: RaftState, read: PendingRead): void {
  if (read.from === state.self) {
    state.outbox.reads.push({ context: read.context, index: read.index });
    return;
  }
  const { group, self: from, term } = state;
  const { from: to, context, index } = read;
  sendNow(state, { type: "read-response", group, from, to, term, context, index });
}
