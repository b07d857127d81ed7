import { type Random } from "@kvs/env";

import { type Configuration, findProblem } from "./configuration.ts";
import { type GroupId, isId, isPosition, type LogIndex, type NodeId } from "./ids.ts";
import { type EntryReader, type LogImage, type LogPoint } from "./log-store.ts";
import { type RaftObserver } from "./raft-trace.ts";
import { invalidOptions } from "./raft-error.ts";

/** What each setting trades is in docs/raft.md. */
export interface RaftSettings {
  /** Shortest silence of a leader after which a follower campaigns. */
  readonly electionTicksMin: number;
  /** Longest such silence; the actual one is drawn anew each time. */
  readonly electionTicksMax: number;
  /** Between two rounds of heartbeats. */
  readonly heartbeatTicks: number;
  /** Whether a node asks if it could win before it raises its term (dissertation §9.6). */
  readonly preVote: boolean;
  /** Whether a leader that hears no quorum steps down, and followers protect a leader they hear. */
  readonly checkQuorum: boolean;
  /** Weight of the entries of one message, at least one entry. */
  readonly messageMaxBytes: number;
  /** Messages with entries on the way to one peer. */
  readonly inflightMessagesMax: number;
  /** Weight of the entries on the way to one peer. */
  readonly inflightMaxBytes: number;
  /** Weight of one proposal. */
  readonly proposalMaxBytes: number;
  /** Weight of appended entries that are not committed. */
  readonly uncommittedMaxBytes: number;
  /** Weight of entries handed out to be applied at a time. */
  readonly applyMaxBytes: number;
  /** Weight of entries kept in memory although they could be read from the store. */
  readonly cacheMaxBytes: number;
  /** Length of one piece of a snapshot. */
  readonly snapshotChunkBytes: number;
  /** Silence of a peer after which a piece of a snapshot is sent again. */
  readonly snapshotRetryTicks: number;
  /** How long a write may be under way before the disk counts as hung. */
  readonly diskStallTicks: number;
  /** Idle time after which a group goes quiet; 0: never. */
  readonly quietAfterTicks: number;
  /** Leases for reads; `undefined`: off. */
  readonly lease: LeaseSettings | undefined;
}

/** All members must agree on these: the promise is the followers'. */
export interface LeaseSettings {
  /** Length of a tick. The driver never ticks ahead of its clock. */
  readonly tickMs: number;
  /** How much faster than another one a clock may run: 0.01 is one in a hundred. */
  readonly driftBound: number;
}

/** Ticks of 10 ms assumed: elections after 150–300 ms, heartbeats every 50 ms. */
export const DEFAULT_SETTINGS: RaftSettings = {
  electionTicksMin: 15,
  electionTicksMax: 30,
  heartbeatTicks: 5,
  preVote: true,
  checkQuorum: true,
  messageMaxBytes: 1024 * 1024,
  inflightMessagesMax: 64,
  inflightMaxBytes: 8 * 1024 * 1024,
  proposalMaxBytes: 64 * 1024 * 1024,
  uncommittedMaxBytes: 128 * 1024 * 1024,
  applyMaxBytes: 8 * 1024 * 1024,
  cacheMaxBytes: 16 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  snapshotRetryTicks: 30,
  diskStallTicks: 100,
  quietAfterTicks: 0,
  lease: undefined,
};

export interface RaftOptions {
  readonly self: NodeId;
  readonly group: GroupId;
  /** Votes and stores entries, but holds no state and never leads. For life. Default: false. */
  readonly isWitness?: boolean;
  /** What the log store found. */
  readonly image: LogImage;
  /**
   * The last entry whose effect is durable in the state machine, and the members then. Absent for a
   * witness, and while the state is as old as the log's base. If it lies beyond the log's end, a
   * crash came between installing a snapshot and resetting the log; the core then resets it.
   */
  readonly appliedPoint?: LogPoint;
  readonly reader: EntryReader;
  /** For election timeouts and contexts of reads. */
  readonly random: Random;
  /** Of pieces of snapshots: CRC-32, or any function on which all members agree. */
  readonly checksum: (bytes: Uint8Array) => number;
  readonly settings?: Partial<RaftSettings>;
  /** Whether a learner that has caught up becomes a voter now. Default: never. */
  readonly shouldPromote?: (learner: NodeId) => boolean;
  readonly observer?: RaftObserver;
  readonly hasMutant?: (mutant: string) => boolean;
}

/**
 * Fills in and checks the settings.
 *
 * @throws {KvsError} `RAFT_INVALID_OPTIONS`
 */
export function checkOptions(options: RaftOptions): RaftSettings {
  const settings = { ...DEFAULT_SETTINGS, ...options.settings };
  if (!isId(options.self)) throw invalidOptions("a node id is an integer in [1, 2^53)");
  if (!isId(options.group)) throw invalidOptions("a group id is an integer in [1, 2^53)");
  checkTicks(settings);
  checkBounds(settings);
  checkLease(settings);
  checkImage(options.image, options.appliedPoint);
  return settings;
}

function checkTicks(settings: RaftSettings): void {
  const { electionTicksMin, electionTicksMax, heartbeatTicks } = settings;
  if (!isCount(heartbeatTicks) || !isCount(electionTicksMin) || !isCount(electionTicksMax)) {
    throw invalidOptions("timeouts are whole numbers of ticks");
  }
  if (electionTicksMin < 2 * heartbeatTicks) {
    throw invalidOptions("an election timeout lasts two heartbeats or more");
  }
  if (electionTicksMax <= electionTicksMin) {
    throw invalidOptions("election timeouts are drawn from a range, so that votes do not split");
  }
  if (settings.quietAfterTicks !== 0 && settings.quietAfterTicks < heartbeatTicks) {
    throw invalidOptions("a group is idle for a heartbeat or more before it goes quiet");
  }
}

function checkBounds(settings: RaftSettings): void {
  const bounds = [
    settings.messageMaxBytes,
    settings.inflightMessagesMax,
    settings.inflightMaxBytes,
    settings.proposalMaxBytes,
    settings.uncommittedMaxBytes,
    settings.applyMaxBytes,
    settings.snapshotChunkBytes,
    settings.snapshotRetryTicks,
    settings.diskStallTicks,
  ];
  if (!bounds.every(isCount)) throw invalidOptions("limits are whole numbers above 0");
  if (settings.cacheMaxBytes < 0) throw invalidOptions("a cache has no negative size");
}

function checkLease({ lease, checkQuorum }: RaftSettings): void {
  if (lease === undefined) return;
  if (!checkQuorum) throw invalidOptions("leases rest on followers that protect their leader");
  if (!(lease.tickMs > 0)) throw invalidOptions("a tick has a length");
  if (!(lease.driftBound >= 0 && lease.driftBound < 1)) {
    throw invalidOptions("the drift of clocks is bounded by a fraction in [0, 1)");
  }
}

function checkImage(image: LogImage, applied: LogPoint | undefined): void {
  const { hardState, base, lastIndex } = image;
  if (!isPosition(hardState.term) || !isPosition(lastIndex) || lastIndex < base.index) {
    throw invalidOptions("the image of the log is malformed");
  }
  const lastTerm = image.runs.at(-1)?.term ?? base.term;
  if (hardState.term < Math.max(lastTerm, applied?.term ?? 0)) {
    throw invalidOptions("the log has entries of a term that the hard state does not know");
  }
  if (applied !== undefined && applied.index < base.index) {
    throw invalidOptions("the log no longer reaches back to the state: restore the node");
  }
  checkFounders(base.index, base.configuration);
}

/** A fresh node that is to be invited knows no members; every other one knows a valid group. */
function checkFounders(baseIndex: LogIndex, configuration: Configuration): void {
  const isUnfounded = configuration.incoming.length === 0 && baseIndex === 0;
  const problem = isUnfounded ? undefined : findProblem(configuration);
  if (problem !== undefined) throw invalidOptions(problem);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
