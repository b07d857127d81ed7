import { type Configuration } from "./configuration.ts";
import { type EntryBatch } from "./entry.ts";
import { type LogIndex, type NodeId, type Term } from "./ids.ts";
import { type TermRun } from "./term-runs.ts";

/** What a node must never forget: without it, it could vote twice in one term (§5.1, figure 2). */
export interface HardState {
  readonly term: Term;
  /** For whom this node voted in `term`; `NOBODY` if for none. */
  readonly votedFor: NodeId;
  /** A lower bound of the commit index, so that a restarted node applies sooner. May lag. */
  readonly commitIndex: LogIndex;
}

/** Position and members at one point of the log: the base of a log, or the point of a state. */
export interface LogPoint {
  readonly index: LogIndex;
  readonly term: Term;
  /** In force at `index`. */
  readonly configuration: Configuration;
}

/** Entries whose index and term are known, but whose payloads are lost. Both ends inclusive. */
export interface DamagedRange {
  readonly from: LogIndex;
  readonly to: LogIndex;
}

/** A configuration entry of the log. */
export interface ConfigurationAt {
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

/**
 * What a log store found when it was opened: identities of entries, not their payloads.
 *
 * The store verified index, term and checksum of every record. A torn tail was cut. A record whose
 * identity is whole but whose payload is not stands in `damaged`: the node knows that the entry
 * existed, and may neither vote nor campaign until it has fetched it again (`isEligible`).
 */
export interface LogImage {
  readonly hardState: HardState;
  /** The entry before the first: the last one that was compacted, or index 0 with the founders. */
  readonly base: LogPoint;
  /** Ascending, the first at `base.index + 1`; empty if the log is. */
  readonly runs: readonly TermRun[];
  readonly lastIndex: LogIndex;
  /** All configuration entries behind the base, ascending. */
  readonly configurations: readonly ConfigurationAt[];
  /** Ascending, disjoint. */
  readonly damaged: readonly DamagedRange[];
}

/** Where the core reads entries that it does not hold in memory. */
export interface EntryReader {
  /**
   * Entries from `from` to `to`, both inclusive, as many from the start as weigh `maxBytes`, but at
   * least one. All were handed out in a `Ready` before, or were in the image.
   *
   * @returns `undefined` if they have to be loaded first. The store begins to load them, and its
   *   owner calls `RaftCore.entriesLoaded` when a repeated call would answer.
   */
  read(from: LogIndex, to: LogIndex, maxBytes: number): readonly EntryBatch[] | undefined;
}
