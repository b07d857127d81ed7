import { quorumCommitted } from "@kvs/raft";
import { type Member } from "./raft-judge.ts";

/** Counts the states that a member came into; called when it changed, before that is remembered. */
export function probeMember(member: Member, probe: (state: string) => void): void {
  const { memory } = member;
  const states = new Set(statesOf(member));
  for (const state of states) if (!memory.states.has(state)) probe(state);
  memory.states = states;
}

function statesOf(member: Member): string[] {
  const { core } = member.node;
  const { state, role, term, configuration } = core;
  const { memory } = member;
  const isOut = !configuration.incoming.includes(core.self);
  const hasStepped = memory.role === "leader" && role !== "leader" && term === memory.term;
  const own: readonly (readonly [string, boolean])[] = [
    ["candidate", role === "candidate"],
    ["quiet", core.isQuiet],
    ["damaged", !core.isEligible],
    ["disk-hung", state.isDiskHung],
    ["leader-left", hasStepped && isOut],
  ];
  return [...own, ...leaderStates(member)].filter(([, isSo]) => isSo).map(([name]) => name);
}

function leaderStates(member: Member): (readonly [string, boolean])[] {
  const { leading, membership, commitIndex } = member.node.core.state;
  if (leading === undefined) return [];
  const isJoint = membership.current.outgoing.length > 0;
  const isChanging = isJoint || membership.currentIndex > commitIndex;
  return [
    ["joint", isJoint],
    ["transfer-during-change", isChanging && leading.transfer !== undefined],
    ["figure-8", hasOldMajority(member)],
  ];
}

/**
 * Whether a quorum holds an entry of an earlier term that is not committed (figure 8). Every new leader
 * comes to this for a moment; what is counted are entries of a term before the last.
 */
function hasOldMajority({ node, memory }: Member): boolean {
  const { state, configuration } = node.core;
  const { leading, commitIndex, log, term } = state;
  if (leading === undefined || commitIndex >= leading.ownTermStart) return false;
  if (memory.leaderOf !== term || leading.ownTermStart <= commitIndex + 1) return false;
  const matches = new Map<number, number>();
  for (const { id, matchIndex } of leading.peers.values()) matches.set(id, matchIndex);
  const index = quorumCommitted(configuration, matches);
  if (index <= commitIndex || index >= leading.ownTermStart) return false;
  return log.termAt(index) < term - 1;
}
