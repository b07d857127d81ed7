/**
 * Answers a request for a vote, or for the promise of one.
 *
 * Source: Ongaro & Ousterhout (2014), §5.2 (one vote a term), §5.4.1 (the better log), figure 2;
 * dissertation §4.2.3 (a heard leader is protected), §9.6 (pre-vote).
 */
import { isEligible } from "./election.ts";
import { NOBODY } from "./ids.ts";
import { type VoteRequest, type VoteResponse } from "./message.ts";
import { sendAfterPersist, sendNow, sendWithTerm } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";
import { castVote, restartElectionTimer } from "./roles.ts";

/** Whether the request is void because this node hears a leader. Asked before terms are compared. */
export function isLeaderProtected(state: RaftState, request: VoteRequest): boolean {
  if (!state.settings.checkQuorum || state.sabotage["raft.no-stickiness"]) return false;
  // Who campaigns does not lead any more. A lease, though, was promised for a time.
  if (request.from === state.leader && state.settings.lease === undefined) return false;
  return state.hearsLeader && !request.isTransfer;
}

/** Answers whether this node would vote for the sender; changes nothing. */
export function stepPreVoteRequest(state: RaftState, request: VoteRequest): void {
  const granted =
    request.term > state.term &&
    !isLeaderProtected(state, request) &&
    mayVote(state) &&
    isUpToDate(state, request);
  sendWithTerm(state, respond(state, request, granted));
}

/** Gives this term's vote, or refuses it. The term of the request is this node's term already. */
export function stepVoteRequest(state: RaftState, request: VoteRequest): void {
  const isPromised = state.ticks < state.voteBarrierTick && !request.isTransfer;
  const granted =
    !isPromised && canVoteFor(state, request) && mayVote(state) && isUpToDate(state, request);
  const response = respond(state, request, granted);
  if (!granted) {
    sendWithTerm(state, response);
    return;
  }
  castVote(state, request.from);
  restartElectionTimer(state);
  // The vote must survive a crash, or this node could vote twice in one term (REL-R1).
  if (state.sabotage["raft.vote-before-persist"]) sendNow(state, response);
  else sendAfterPersist(state, response);
}

/** One vote per term, first come, first served; to repeat it is harmless. */
function canVoteFor(state: RaftState, request: VoteRequest): boolean {
  if (state.sabotage["raft.vote-twice"]) return state.role !== "leader";
  if (state.votedFor === request.from) return true;
  return state.votedFor === NOBODY && state.leader === NOBODY;
}

/** A node that was never told of its group cannot know what it voted for in an earlier life. */
function mayVote(state: RaftState): boolean {
  return isEligible(state) && state.membership.current.incoming.length > 0;
}

/** §5.4.1: the later last term wins; within one term, the longer log. */
function isUpToDate(state: RaftState, request: VoteRequest): boolean {
  const { lastTerm, lastIndex } = state.log;
  if (state.sabotage["raft.log-compared-by-index"]) return request.lastIndex >= lastIndex;
  if (request.lastTerm !== lastTerm) return request.lastTerm > lastTerm;
  return request.lastIndex >= lastIndex;
}

function respond(state: RaftState, request: VoteRequest, granted: boolean): VoteResponse {
  return {
    type: "vote-response",
    group: state.group,
    from: state.self,
    to: request.from,
    // The promise of a vote is about the term asked for; a refusal tells this node's own.
    term: granted ? request.term : state.term,
    isPreVote: request.isPreVote,
    granted,
    lastIndex: state.log.lastIndex,
    lastTerm: state.log.lastTerm,
  };
}
