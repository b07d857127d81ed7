/**
 * The transitions between roles (§5.1, figure 4; pre-candidate: dissertation §9.6).
 *
 *                 times out             a quorum would vote
 *   ┌──────────┐ ───────────▶ ┌───────────────┐ ───────────▶ ┌───────────┐   a quorum   ┌────────┐
 *   │ follower │              │ pre-candidate │              │ candidate │ ───────────▶ │ leader │
 *   └──────────┘ ◀─────────── └───────────────┘              └───────────┘   voted      └────────┘
 *        ▲      refused, or a leader is heard                      │                         │
 *        └─────────────────────────────────────────────────────────┴─────────────────────────┘
 *            a newer term, a leader of this term, no quorum heard, disk hung, or removed
 */
import { assert } from "@kvs/env";

import { NOBODY, type NodeId, type Term } from "./ids.ts";
import { Leadership } from "./leadership.ts";
import { type RaftState } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";
import { abortReads } from "./abort-reads.ts";
import { appendTermStart } from "./append-own.ts";

/** Follows `leader` in `term`; `NOBODY` if the leader of that term is not known. */
export function becomeFollower(state: RaftState, term: Term, leader: NodeId): void {
  assert(term >= state.term || state.sabotage["raft.term-goes-down"], "the term never goes back");
  const isNewTerm = term !== state.term;
  if (isNewTerm || leader !== state.leader) abortReads(state);
  if (isNewTerm) enterTerm(state, term, NOBODY);
  const wasFollower = state.role === "follower";
  // Only a leader that is heard, or a vote that is given, makes a follower wait (§5.2): if each
  // hopeless candidate did, the one that can win might never campaign.
  if (state.role === "leader") restartElectionTimer(state);
  state.role = "follower";
  state.leading = undefined;
  state.leader = leader;
  state.ownVoteNumber = 0;
  state.isQuiet = false;
  if (isNewTerm || !wasFollower) {
    state.matchedIndex = 0;
    trace(state, "BecomeFollower");
  }
}

/** Asks whether an election could be won; promises nothing, and keeps term and vote. */
export function becomePreCandidate(state: RaftState): void {
  assert(state.role !== "leader", "a leader does not campaign");
  state.role = "pre-candidate";
  beginElection(state);
  recordVote(state, state.self, true);
}

/** Enters a new term with a vote for oneself, which counts once it is durable. */
export function becomeCandidate(state: RaftState): void {
  assert(state.role !== "leader", "a leader does not campaign");
  enterTerm(state, state.term + 1, state.self);
  state.role = "candidate";
  beginElection(state);
  trace(state, "BecomeCandidate");
}

/** Leads, and appends the entry that will commit all before it (§5.4.2, §8). */
export function becomeLeader(state: RaftState): void {
  assert(state.role === "candidate", "only a candidate is elected");
  state.role = "leader";
  state.leader = state.self;
  state.ownVoteNumber = 0;
  restartElectionTimer(state);
  const leading = new Leadership(state);
  state.leading = leading;
  trace(state, "BecomeLeader");
  appendTermStart(state);
  assert(leading.ownTermStart === state.log.lastIndex, "a term begins with one entry of its own");
}

/** Notes an answer. The first one of a node stays: a repeated answer is the same answer. */
export function recordVote(state: RaftState, from: NodeId, granted: boolean): void {
  if (granted) state.grantCount++;
  if (!state.votes.has(from)) state.votes.set(from, granted);
}

/** Starts waiting anew, for a newly drawn time. */
export function restartElectionTimer(state: RaftState): void {
  state.electionElapsed = 0;
  state.drawElectionTimeout();
}

/** Notes what this term's vote is; both become durable with the next Ready. */
export function castVote(state: RaftState, candidate: NodeId): void {
  assert(
    state.votedFor === NOBODY || state.votedFor === candidate || state.sabotage["raft.vote-twice"],
    "a node votes once in a term",
  );
  if (state.votedFor === candidate) return;
  state.votedFor = candidate;
  state.isHardStateDirty = true;
}

/** What a leader that steps down of itself does: nobody leads this term any more, as far as it knows. */
export function stepDown(state: RaftState): void {
  assert(state.role === "leader", "only a leader steps down");
  becomeFollower(state, state.term, NOBODY);
}

function enterTerm(state: RaftState, term: Term, votedFor: NodeId): void {
  state.term = term;
  state.votedFor = votedFor;
  state.isHardStateDirty = true;
}

function beginElection(state: RaftState): void {
  if (state.leader !== NOBODY) abortReads(state);
  state.leader = NOBODY;
  state.leading = undefined;
  state.isQuiet = false;
  state.votes.clear();
  state.grantCount = 0;
  state.ownVoteNumber = 0;
  restartElectionTimer(state);
}
