/**
 * Changing the members of a group (§6; dissertation chapter 4).
 *
 * A leader proposes a change only if the one before is committed, and an entry of its own term is:
 * otherwise two leaders could each commit a change that the other has never heard of (REL-R14; the
 * bug of single-server changes that was found in 2015). A joint configuration ends by itself: the
 * leader under which it is committed, the same or a later one, proposes its end.
 */
import { appendConfiguration } from "./append-own.ts";
import {
  changeConfiguration,
  type Configuration,
  isJoint,
  isVoter,
  isWitness,
  type MembershipOperation,
} from "./configuration.ts";
import { type LogIndex, type NodeId } from "./ids.ts";
import { hasCommittedOwnTerm, leadershipOf } from "./leadership.ts";
import { majorityOf } from "./quorum.ts";
import { changePending, learnerBehind, notLeader, transferring } from "./raft-error.ts";
import { type RaftState } from "./raft-state.ts";

export interface MembershipChangeOptions {
  /**
   * Take a minority of voters that have not caught up. Until they have, they help no quorum.
   * Default: false.
   */
  readonly allowLagging?: boolean;
}

/** Proposes a change. Returns the index of its entry; voters change once that is committed. */
export function proposeChange(
  state: RaftState,
  operations: readonly MembershipOperation[],
  options: MembershipChangeOptions,
): LogIndex {
  const { leading, membership } = state;
  if (leading === undefined) throw notLeader(state.leader);
  if (leading.transfer !== undefined) throw transferring(leading.transfer.to);
  const pending = findPending(state);
  if (pending !== undefined) throw changePending(pending);
  const next = changeConfiguration(membership.current, operations);
  refuseLagging(state, next, options.allowLagging === true);
  return appendConfiguration(state, next);
}

/** Proposes the end of a joint configuration that is committed. */
export function proposeLeaveJoint(state: RaftState): void {
  appendConfiguration(state, changeConfiguration(state.membership.current, []));
}

/** Measures how learners catch up, and makes voters of those that the policy names. */
export function tickLearners(state: RaftState): void {
  const leading = leadershipOf(state);
  const { learners } = state.membership.current;
  for (const id of learners) {
    const progress = leading.peers.get(id)!;
    progress.roundTicks++;
    if (progress.roundEnd === 0) progress.roundEnd = state.log.lastIndex; // the first round
    if (progress.matchIndex < progress.roundEnd) continue;
    // Dissertation §4.2.1: a round brings what was there when it began; a short one is close.
    progress.isCaughtUp =
      progress.state === "replicate" &&
      progress.isActive &&
      progress.roundTicks <= state.settings.electionTicksMax;
    progress.roundEnd = state.log.lastIndex;
    progress.roundTicks = 0;
    if (progress.isCaughtUp) promote(state, id);
  }
}

function promote(state: RaftState, id: NodeId): void {
  const { current } = state.membership;
  if (findPending(state) !== undefined || leadershipOf(state).transfer !== undefined) return;
  if (isVoter(current, id) || !state.shouldPromote(id)) return;
  appendConfiguration(state, changeConfiguration(current, [{ type: "add-voter", node: id }]));
}

/** Why members cannot change now, if they cannot. */
function findPending(state: RaftState): string | undefined {
  const { membership, sabotage } = state;
  const { current, currentIndex } = membership;
  if (isJoint(current)) return "a change of voters is under way";
  if (currentIndex > state.commitIndex && !sabotage["raft.change-before-own-term"]) {
    return "the last change is not committed";
  }
  if (!hasCommittedOwnTerm(state) && !sabotage["raft.change-before-own-term"]) {
    return "this leader has not committed an entry of its term";
  }
  return undefined;
}

/**
 * New voters hold nearly all entries already, or the group could lose its quorum (REL-R15). A
 * majority of them does in any case: a node that was told of nothing yet gives no vote, so that with
 * fewer nobody could be elected if this leader failed now.
 */
function refuseLagging(state: RaftState, next: Configuration, allowLagging: boolean): void {
  const { current } = state.membership;
  const lagging = next.incoming.filter((id) => !isVoter(current, id) && !isCaughtUp(state, id));
  const isMinority = lagging.length <= next.incoming.length - majorityOf(next.incoming.length);
  const refused = lagging.find((id) => !allowLagging && !isWitness(next, id));
  const id = isMinority ? refused : lagging[0];
  if (id === undefined) return;
  throw learnerBehind(id, leadershipOf(state).peers.get(id)?.matchIndex ?? 0);
}

function isCaughtUp(state: RaftState, id: NodeId): boolean {
  return leadershipOf(state).peers.get(id)?.isCaughtUp === true;
}
