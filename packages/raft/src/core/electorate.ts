import { type Electorate, type VoteResult, voteResult } from "./quorum.ts";
import { type NodeId } from "./ids.ts";
import { type RaftState } from "./raft-state.ts";

/** Whose votes and acknowledgements count. The sabotages of REL-R15 live here. */
export function electorateOf(state: RaftState): Required<Electorate> {
  const { incoming, outgoing, learners } = state.membership.current;
  if (state.sabotage["raft.learner-counts"]) {
    const all = new Set<NodeId>([...incoming, ...learners]);
    return { incoming: [...all], outgoing };
  }
  if (state.sabotage["raft.single-half-quorum"]) return { incoming, outgoing: [] };
  return { incoming, outgoing };
}

/** How the present election stands. */
export function electionResult(state: RaftState): VoteResult {
  const electorate = electorateOf(state);
  if (state.sabotage["raft.duplicate-vote-counts"]) {
    if (state.grantCount * 2 > electorate.incoming.length) return "won";
  }
  return voteResult(electorate, state.votes);
}
