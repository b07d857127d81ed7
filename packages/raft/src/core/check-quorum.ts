/**
 * A leader that hears no quorum leads nobody (dissertation §6.2): it steps down, so that clients
 * learn of it, and so that a node which others cannot reach does not block them (REL-R17).
 */
import { leadershipOf } from "./leadership.ts";
import { type Progress } from "./progress.ts";
import { type RaftState } from "./raft-state.ts";
import { stepDown } from "./roles.ts";

/** Leader, each tick: once per election timeout, looks whom it has heard since the last time. */
export function tickCheckQuorum(state: RaftState): void {
  state.electionElapsed++;
  if (state.electionElapsed < state.settings.electionTicksMin) return;
  state.electionElapsed = 0;
  const leading = leadershipOf(state);
  leading.own.isActive = true;
  const isHeard = isQuorumActive(state);
  for (const progress of leading.others) progress.isActive = false;
  if (isHeard || !state.settings.checkQuorum || state.sabotage["raft.no-check-quorum"]) return;
  stepDown(state);
}

/** Whether a quorum was heard since the last check. */
function isQuorumActive(state: RaftState): boolean {
  const { voters } = leadershipOf(state);
  return voters.committed(activityOf) === 1;
}

function activityOf(progress: Progress): number {
  return progress.isActive ? 1 : 0;
}
