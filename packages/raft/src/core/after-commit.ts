/**
 * What a leader does once a configuration is committed: ends a joint one, or leaves office.
 *
 * Source: Ongaro & Ousterhout (2014), §6.
 */
import { isJoint, isVoter } from "./configuration.ts";
import { handOver } from "./leadership-transfer.ts";
import { hasCommittedOwnTerm } from "./leadership.ts";
import { proposeLeaveJoint } from "./membership-change.ts";
import { type RaftState } from "./raft-state.ts";
import { broadcastAppends } from "./replication.ts";

/** Once per Ready in which the commit index grew. */
export function afterCommit(state: RaftState): void {
  const { membership, commitIndex } = state;
  if (membership.currentIndex > commitIndex || !hasCommittedOwnTerm(state)) return;
  if (isJoint(membership.current)) {
    proposeLeaveJoint(state);
    return;
  }
  if (isVoter(membership.current, state.self)) return;
  if (state.sabotage["raft.removed-leader-stays"]) return;
  // It led without counting itself. The others hear of the commit before it leaves.
  broadcastAppends(state);
  handOver(state);
}
