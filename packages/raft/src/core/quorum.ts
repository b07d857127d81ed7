/**
 * Majorities, and majorities of both halves of a joint configuration.
 *
 * Pure functions over the voters of a configuration; learners never count. The core's hot paths use
 * `VoterSet`, which computes the same without allocating; a test compares the two.
 *
 * Source: Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014), §6.
 */
import { assert } from "@kvs/env";

import { type LogIndex, type NodeId } from "./ids.ts";

/** The part of a configuration that decides: voters now, and voters before the change under way. */
export interface Electorate<Id = NodeId> {
  readonly incoming: readonly Id[];
  /** Empty unless the configuration is joint. */
  readonly outgoing?: readonly Id[];
}

/** How an election stands. */
export type VoteResult = "won" | "lost" | "pending";

/** How many of `count` voters are a majority. */
export function majorityOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

/**
 * The largest index that a quorum has acknowledged: a majority of `incoming` and, in a joint
 * configuration, a majority of `outgoing` too. A voter without an entry in `acknowledged` has
 * acknowledged nothing. A half without voters asks for nothing: `Infinity` if both are empty.
 *
 * Cost: sorts a copy of the voters' indices.
 */
export function quorumCommitted<Id = NodeId>(
  configuration: Electorate<Id>,
  acknowledged: ReadonlyMap<Id, LogIndex>,
): LogIndex {
  return Math.min(
    majorityCommitted(configuration.incoming, acknowledged),
    majorityCommitted(configuration.outgoing ?? [], acknowledged),
  );
}

/**
 * Whether an election is won: a majority of each half said yes. It is lost once one half can no
 * longer be won. Votes of nodes that are not voters do not count.
 */
export function voteResult<Id = NodeId>(
  configuration: Electorate<Id>,
  votes: ReadonlyMap<Id, boolean>,
): VoteResult {
  const incoming = majorityVote(configuration.incoming, votes);
  const outgoing = majorityVote(configuration.outgoing ?? [], votes);
  if (incoming === outgoing) return incoming;
  return incoming === "lost" || outgoing === "lost" ? "lost" : "pending";
}

function majorityCommitted<Id>(
  voters: readonly Id[],
  acknowledged: ReadonlyMap<Id, LogIndex>,
): LogIndex {
  const indices: LogIndex[] = [];
  for (const voter of new Set(voters)) indices.push(acknowledged.get(voter) ?? 0);
  if (indices.length === 0) return Number.POSITIVE_INFINITY;
  indices.sort((left, right) => right - left);
  return indices[majorityOf(indices.length) - 1]!;
}

function majorityVote<Id>(voters: readonly Id[], votes: ReadonlyMap<Id, boolean>): VoteResult {
  const distinct = new Set(voters);
  if (distinct.size === 0) return "won";
  let granted = 0;
  let refused = 0;
  for (const voter of distinct) {
    const vote = votes.get(voter);
    if (vote === true) granted++;
    if (vote === false) refused++;
  }
  if (granted >= majorityOf(distinct.size)) return "won";
  return distinct.size - refused < majorityOf(distinct.size) ? "lost" : "pending";
}

/** Voters of one node's view, with what each has acknowledged: quorums without allocation. */
export class VoterSet<Voter> {
  readonly #incoming: readonly Voter[];
  readonly #outgoing: readonly Voter[];
  /** Reused by each computation. */
  readonly #scratch: Float64Array;

  constructor(incoming: readonly Voter[], outgoing: readonly Voter[]) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#scratch = new Float64Array(Math.max(incoming.length, outgoing.length));
  }

  /** The largest number that `acknowledged` reaches or exceeds for a majority of each half. */
  committed(acknowledged: (voter: Voter) => number): number {
    const incoming = this.#majority(this.#incoming, acknowledged);
    if (this.#outgoing.length === 0) return incoming;
    return Math.min(incoming, this.#majority(this.#outgoing, acknowledged));
  }

  /** Insertion sort, descending, of a handful of numbers. */
  #majority(voters: readonly Voter[], acknowledged: (voter: Voter) => number): number {
    const count = voters.length;
    if (count === 0) return Number.POSITIVE_INFINITY;
    const scratch = this.#scratch;
    for (let at = 0; at < count; at++) {
      const value = acknowledged(voters[at]!);
      let slot = at;
      while (slot > 0 && scratch[slot - 1]! < value) {
        scratch[slot] = scratch[slot - 1]!;
        slot--;
      }
      scratch[slot] = value;
    }
    const position = majorityOf(count) - 1;
    assert(position < count, "a majority is no larger than the whole");
    return scratch[position]!;
  }
}
