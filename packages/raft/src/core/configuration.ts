/**
 * Who is a member of a group, and how one set of members turns into another.
 *
 *   stable   incoming = the voters, outgoing = []
 *   joint    incoming = the voters to be, outgoing = the voters until now (§6: C-old,new)
 *
 *   stable --changeConfiguration(operations)--> joint --leaveJoint--> stable
 *
 * Any set of voters may follow any other: while joint, every decision needs a majority of both.
 * A learner receives entries and does not count. A witness is a voter that stores entries but no
 * state: it is listed in `witnesses` and in `incoming` or `outgoing`.
 *
 * Source: Ongaro & Ousterhout (2014), §6; Ongaro, "Consensus: Bridging Theory and Practice" (2014),
 * chapter 4.
 */
import { type NodeId } from "./ids.ts";
import { invalidChange } from "./raft-error.ts";

/** The members of a group. Each list ascends and has no duplicates. */
export interface Configuration<Id = NodeId> {
  /** Voters. While joint: voters after the change. */
  readonly incoming: readonly Id[];
  /** Voters before the change under way. Empty unless joint. */
  readonly outgoing: readonly Id[];
  /** Members without a vote. One may still be in `outgoing`: it is about to lose its vote. */
  readonly learners: readonly Id[];
  /** Those of the voters that hold no state and never lead. */
  readonly witnesses: readonly Id[];
}

/** A configuration as callers may write it: what is left out is empty. */
export type ConfigurationInput<Id = NodeId> = Pick<Configuration<Id>, "incoming"> &
  Partial<Configuration<Id>>;

/** One wish. Several together are one change. */
export interface MembershipOperation<Id = NodeId> {
  /**
   * - `add-voter`: becomes a voter with data, whatever it was.
   * - `add-witness`: becomes a voter without data; it may not have been a member with data.
   * - `add-learner`: becomes a learner, losing its vote if it had one.
   * - `remove`: is no member any more.
   */
  readonly type: "add-voter" | "add-witness" | "add-learner" | "remove";
  readonly node: Id;
}

/** A bound against forged and mistaken configurations; quorums of more are slow anyway. */
export const MEMBERS_MAX = 64;

/** Whether a change of voters is under way. */
export function isJoint<Id>(configuration: Pick<Configuration<Id>, "outgoing">): boolean {
  return configuration.outgoing.length > 0;
}

/** Whether the node's vote and acknowledgements count. */
export function isVoter<Id>(configuration: Configuration<Id>, node: Id): boolean {
  return configuration.incoming.includes(node) || configuration.outgoing.includes(node);
}

/** Whether the node is a voter or a learner. */
function isMember<Id>(configuration: Configuration<Id>, node: Id): boolean {
  return isVoter(configuration, node) || configuration.learners.includes(node);
}

/** Whether the node votes without holding data. */
export function isWitness<Id>(configuration: Configuration<Id>, node: Id): boolean {
  return configuration.witnesses.includes(node);
}

/** All members, ascending. */
export function membersOf<Id>(configuration: Configuration<Id>): Id[] {
  return ascending([
    ...configuration.incoming,
    ...configuration.outgoing,
    ...configuration.learners,
  ]);
}

/** Fills in the lists that were left out, and brings all into order. */
export function toConfiguration<Id>(input: ConfigurationInput<Id>): Configuration<Id> {
  return {
    incoming: ascending(input.incoming),
    outgoing: ascending(input.outgoing ?? []),
    learners: ascending(input.learners ?? []),
    witnesses: ascending(input.witnesses ?? []),
  };
}

/**
 * The configuration that results from `operations`: joint if the voters change, stable if only
 * learners do. No operations at all end a joint configuration.
 *
 * @throws {KvsError} `RAFT_INVALID_CHANGE` if no voter with data would remain, if a change is under
 *   way, if a node is named twice, if a witness would come to hold data or the reverse, or if more
 *   than `MEMBERS_MAX` members would result.
 */
export function changeConfiguration<Id = NodeId>(
  configuration: ConfigurationInput<Id>,
  operations: readonly MembershipOperation<Id>[],
): Configuration<Id> {
  const before = toConfiguration(configuration);
  if (operations.length === 0) return leaveJoint(before);
  if (isJoint(before)) throw invalidChange("a change of voters is under way; wait for its end");
  const after = apply(before, operations);
  checkConfiguration(after);
  return after;
}

function apply<Id>(
  before: Configuration<Id>,
  operations: readonly MembershipOperation<Id>[],
): Configuration<Id> {
  const voters = new Set(before.incoming);
  const learners = new Set(before.learners);
  const witnesses = new Set(before.witnesses);
  const named = new Set<Id>();
  for (const { type, node } of operations) {
    if (named.has(node)) throw invalidChange(`node ${String(node)} is named twice`);
    named.add(node);
    refuseTurningWitness(before, type, node);
    for (const list of [voters, learners, witnesses]) list.delete(node);
    if (type === "add-learner") learners.add(node);
    if (type === "add-voter" || type === "add-witness") voters.add(node);
    if (type === "add-witness") witnesses.add(node);
  }
  const incoming = ascending([...voters]);
  const isSame = incoming.join() === before.incoming.join();
  const outgoing = isSame ? [] : before.incoming;
  // Who holds no data does not begin to while its vote still counts.
  const leaving = before.witnesses.filter((id) => outgoing.includes(id));
  return {
    incoming,
    outgoing,
    learners: ascending([...learners]),
    witnesses: ascending([...witnesses, ...leaving]),
  };
}

/** The configuration after a joint one: the outgoing voters are gone. */
function leaveJoint<Id>(before: Configuration<Id>): Configuration<Id> {
  if (!isJoint(before)) throw invalidChange("no change of voters is under way that could end");
  const witnesses = before.witnesses.filter((id) => before.incoming.includes(id));
  return { incoming: before.incoming, outgoing: [], learners: before.learners, witnesses };
}

/** A node holds data or does not, for life: its state would be missing, or its log incomplete. */
function refuseTurningWitness<Id>(
  before: Configuration<Id>,
  type: MembershipOperation<Id>["type"],
  node: Id,
): void {
  if (type === "remove") {
    if (!isMember(before, node)) throw invalidChange(`node ${String(node)} is no member`);
    return;
  }
  if (!isMember(before, node)) return;
  if (isWitness(before, node) !== (type === "add-witness")) {
    const message = `node ${String(node)} cannot begin or cease to be a witness; give it a new id`;
    throw invalidChange(message);
  }
}

/** @throws {KvsError} `RAFT_INVALID_CHANGE` if no group can have these members. */
export function checkConfiguration<Id>(configuration: Configuration<Id>): void {
  const problem = findProblem(configuration);
  if (problem !== undefined) throw invalidChange(problem);
}

/** What is wrong with a configuration, if anything. */
export function findProblem<Id>(configuration: Configuration<Id>): string | undefined {
  const { incoming, outgoing, learners, witnesses } = configuration;
  if (incoming.every((id) => witnesses.includes(id))) return "no voter with data would remain";
  if (isJoint(configuration) && outgoing.every((id) => witnesses.includes(id))) {
    return "the outgoing voters include none with data";
  }
  if (membersOf(configuration).length > MEMBERS_MAX) return `more than ${MEMBERS_MAX} members`;
  if (learners.some((id) => incoming.includes(id))) return "a learner is also an incoming voter";
  if (witnesses.some((id) => !isVoter(configuration, id))) return "a witness is no voter";
  if (witnesses.some((id) => learners.includes(id))) return "a witness is also a learner";
  return undefined;
}

function ascending<Id>(ids: readonly Id[]): Id[] {
  return [...new Set(ids)].toSorted((left, right) => (left < right ? -1 : 1));
}
