import { describeConfiguration, describeProgress, describeState } from "../core/describe.ts";
import { type DropReason } from "../core/drop-reason.ts";
import { type GroupId, type LogIndex, type NodeId, type Term } from "../core/ids.ts";
import { type RaftCore } from "../core/raft-core.ts";
import { type Role } from "../core/raft-state.ts";

export interface RaftNodeStats {
  readonly role: Role;
  readonly term: Term;
  readonly leader: NodeId | undefined;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly waitingProposals: number;
  /** Messages that were not taken in, by reason. */
  readonly drops: ReadonlyMap<DropReason, number>;
}

export function nodeStats(core: RaftCore, waitingProposals: number): RaftNodeStats {
  const { role, term, leader, commitIndex, appliedIndex, lastIndex, state } = core;
  const { drops } = state;
  return { role, term, leader, commitIndex, appliedIndex, lastIndex, waitingProposals, drops };
}

/** A replica in a few lines, for people. */
export function describeNode(
  core: RaftCore,
  facts: {
    readonly group: GroupId;
    readonly waitingProposals: number;
    /** Why it stopped, if it did. */
    readonly stopped: string | undefined;
  },
): string {
  const { state, configuration, appliedIndex } = core;
  const lines = [
    `group ${facts.group}: ${describeState(state)} applied=${appliedIndex}`,
    `  members ${describeConfiguration(configuration)}`,
  ];
  for (const progress of state.leading?.others ?? []) lines.push(`  ${describeProgress(progress)}`);
  if (facts.waitingProposals > 0) lines.push(`  ${facts.waitingProposals} proposals wait`);
  const drops = [...state.drops].map(([reason, count]) => `${reason}=${count}`);
  if (drops.length > 0) lines.push(`  dropped ${drops.join(" ")}`);
  if (facts.stopped !== undefined) lines.push(`  stopped: ${facts.stopped}`);
  return lines.join("\n");
}
