/**
 * Counts an answer to a request for a vote.
 *
 * Source: Ongaro & Ousterhout (2014), §5.2; dissertation §9.6. An answer counts only in the election
 * that it is about (REL-R8): the same term, and a promise is no vote.
 */
import { isVoter, isWitness } from "./configuration.ts";
import { onVote } from "./election.ts";
import { fetchFromWitness } from "./fetch-request.ts";
import { type VoteResponse } from "./message.ts";
import { type RaftState } from "./raft-state.ts";
import { recordVote } from "./roles.ts";

export function stepVoteResponse(state: RaftState, response: VoteResponse): void {
  if (!isOpen(state, response)) {
    state.drop("unexpected");
    return;
  }
  if (!counts(state, response)) {
    state.drop("unknown-member");
    return;
  }
  recordVote(state, response.from, response.granted);
  if (!response.granted) learnFromRefusal(state, response);
  onVote(state);
}

/** Whether the answer is about the election under way. */
function isOpen(state: RaftState, response: VoteResponse): boolean {
  if (state.role === "candidate") {
    if (state.sabotage["raft.prevote-counts-as-vote"]) return true;
    return !response.isPreVote && response.term === state.term;
  }
  if (state.role !== "pre-candidate" || !response.isPreVote) return false;
  return response.granted ? response.term === state.term + 1 : response.term === state.term;
}

function counts(state: RaftState, response: VoteResponse): boolean {
  const configuration = state.membership.current;
  if (isVoter(configuration, response.from)) return true;
  return state.sabotage["raft.learner-counts"] && configuration.learners.includes(response.from);
}

/**
 * A witness with a longer log refuses, and never campaigns itself: without its entries, nobody
 * might ever be elected.
 */
function learnFromRefusal(state: RaftState, response: VoteResponse): void {
  if (!isWitness(state.membership.current, response.from)) return;
  const { lastTerm, lastIndex } = state.log;
  const isLonger =
    response.lastTerm > lastTerm ||
    (response.lastTerm === lastTerm && response.lastIndex > lastIndex);
  if (isLonger) fetchFromWitness(state, response.from);
}
