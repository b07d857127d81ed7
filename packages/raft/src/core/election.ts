/**
 * Campaigns and their results (§5.2; pre-vote: dissertation §9.6).
 */
import { electionResult, electorateOf } from "./electorate.ts";
import { NOBODY } from "./ids.ts";
import { type VoteRequest } from "./message.ts";
import { sendAfterPersist, sendNow } from "./outbox.ts";
import { type RaftState } from "./raft-state.ts";
import {
  becomeCandidate,
  becomeFollower,
  becomeLeader,
  becomePreCandidate,
  recordVote,
  restartElectionTimer,
} from "./roles.ts";

/**
 * Whether the node may vote and campaign at all. Not while entries are damaged: it cannot give what
 * its log claims (REL-R25).
 */
export function isEligible(state: RaftState): boolean {
  return state.log.damaged.length === 0 || state.sabotage["raft.damaged-votes"];
}

/** Whether the node may try to lead: a voter with data, sound, and with a disk that answers. */
export function canCampaign(state: RaftState): boolean {
  return (
    state.role !== "leader" &&
    state.membership.isVoterSince(state.commitIndex, state.self) &&
    !state.isWitness &&
    isEligible(state) &&
    state.installing === undefined &&
    (!state.isDiskHung || state.sabotage["raft.leads-with-hung-disk"])
  );
}

/** The election timeout passed: asks for votes, or waits another time if it may not. */
export function onElectionTimeout(state: RaftState): void {
  if (!canCampaign(state)) {
    // It may not lead, but nor does it protect a leader that it no longer hears.
    becomeFollower(state, state.term, NOBODY);
    restartElectionTimer(state);
    return;
  }
  if (state.settings.preVote) preCampaign(state);
  else campaign(state, false);
}

/** Asks who would vote, without raising the term. */
function preCampaign(state: RaftState): void {
  becomePreCandidate(state);
  requestVotes(state, { isPreVote: true, isTransfer: false });
  onVote(state);
}

/** Raises the term and asks for votes. The requests leave once the own vote is durable. */
export function campaign(state: RaftState, isTransfer: boolean): void {
  becomeCandidate(state);
  requestVotes(state, { isPreVote: false, isTransfer });
}

/** Acts on the answers so far. */
export function onVote(state: RaftState): void {
  const result = electionResult(state);
  if (result === "pending") return;
  if (result === "lost") {
    // Waits for a better one; the term stays, and so does the vote.
    becomeFollower(state, state.term, NOBODY);
    return;
  }
  if (state.role === "pre-candidate") {
    campaign(state, false);
    return;
  }
  becomeLeader(state);
}

/** The vote for oneself is durable: it counts from now on. */
export function onOwnVotePersisted(state: RaftState): void {
  recordVote(state, state.self, true);
  onVote(state);
}

function requestVotes(
  state: RaftState,
  kind: { readonly isPreVote: boolean; readonly isTransfer: boolean },
): void {
  const { incoming, outgoing } = electorateOf(state);
  const voters = new Set([...incoming, ...outgoing]);
  for (const to of voters) {
    if (to === state.self) continue;
    const request: VoteRequest = {
      type: "vote-request",
      group: state.group,
      from: state.self,
      to,
      term: kind.isPreVote ? state.term + 1 : state.term,
      isPreVote: kind.isPreVote,
      isTransfer: kind.isTransfer,
      lastIndex: state.log.lastIndex,
      lastTerm: state.log.lastTerm,
    };
    if (kind.isPreVote) sendNow(state, request);
    else sendAfterPersist(state, request);
  }
}
