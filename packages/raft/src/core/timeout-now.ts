/**
 * A leader hands over to this node (dissertation §3.10): it campaigns at once, without a pre-vote,
 * and the others do not protect the leader that asked for it.
 */
import { campaign, canCampaign } from "./election.ts";
import { type TimeoutNow } from "./message.ts";
import { type RaftState } from "./raft-state.ts";

/** The leader of this term asks this node to take over. */
export function stepTimeoutNow(state: RaftState, request: TimeoutNow): void {
  const { log } = state;
  const isUpToDate = log.lastIndex >= request.lastIndex && log.lastTerm >= request.lastTerm;
  const isStaleAllowed = state.sabotage["raft.transfer-to-stale"];
  if (!canCampaign(state) || !(isUpToDate || isStaleAllowed)) {
    state.drop("unsuitable-transfer");
    return;
  }
  campaign(state, true);
}
