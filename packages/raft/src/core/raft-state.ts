/**
 * All that a node knows. Mutated in place by the functions of this folder, owned by `RaftCore`.
 *
 * 1. `term` and `commitIndex` never go back; `votedFor` changes once in a term.
 * 2. base <= handedIndex <= commitIndex <= last entry, and applied <= handed, but for a state that
 *    is younger than the commit index known after a restart.
 * 3. `leading` is there if and only if `role` is "leader".
 * 4. `role` is not "follower" only if this node is a voter with data, and nothing of it is lost.
 */
import { assert, type Random } from "@kvs/env";

import { type EntryBatch } from "./entry.ts";
import { type DropReason } from "./drop-reason.ts";
import { type GroupId, type LogIndex, NOBODY, type NodeId, type Term } from "./ids.ts";
import { type Leadership } from "./leadership.ts";
import { Membership } from "./membership.ts";
import { MUTANTS, type Sabotage } from "./mutants.ts";
import { Outbox } from "./outbox.ts";
import { RaftLog } from "./raft-log.ts";
import { checkOptions, type RaftOptions, type RaftSettings } from "./raft-options.ts";
import { type RaftObserver } from "./raft-trace.ts";
import { type SnapshotMetadata } from "./message.ts";
import { readMutants } from "./read-mutants.ts";

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** A Ready whose content is not reported durable yet. */
export interface PendingWrite {
  readonly number: number;
  /** The last entry it made durable, lowered if entries were cut off since. */
  lastIndex: LogIndex;
  readonly term: Term;
  /** When it was handed out. */
  readonly tick: number;
  readonly repairs: readonly EntryBatch[];
}

/** Reads that this follower asked its leader to confirm. */
export interface ForwardedRead {
  readonly context: number;
  ticks: number;
}

/** A snapshot that is arriving. */
export interface IncomingSnapshot {
  readonly snapshot: SnapshotMetadata;
  /** Bytes that were handed out to be written, from the start, without a gap. */
  receivedBytes: number;
}

export class RaftState {
  readonly self: NodeId;
  readonly group: GroupId;
  readonly isWitness: boolean;
  readonly settings: RaftSettings;
  readonly random: Random;
  readonly checksum: (bytes: Uint8Array) => number;
  readonly shouldPromote: (learner: NodeId) => boolean;
  readonly sabotage: Sabotage;
  readonly observer: RaftObserver | undefined;
  readonly log: RaftLog;
  readonly membership: Membership;
  outbox: Outbox = new Outbox();

  role: Role = "follower";
  term: Term;
  votedFor: NodeId;
  /** Whether term or vote differ from what a Ready carried last. */
  isHardStateDirty = false;
  /** The last term that is durable. */
  durableTerm: Term;
  leader: NodeId = NOBODY;
  commitIndex: LogIndex;
  /** The last entry that the driver reported as applied. */
  appliedIndex: LogIndex;
  /** The last entry that was handed out to be applied. */
  handedIndex: LogIndex;
  /** What all voters with data hold, as far as this node was told. */
  stableIndex: LogIndex = 0;

  /** Ticks since construction. */
  ticks = 0;
  /** The driver's monotonic clock at the last tick, for leases. */
  nowMs = 0;
  /** Follower: ticks since the leader was heard. Leader: since the quorum was checked. */
  electionElapsed = 0;
  electionTimeout = 0;
  /**
   * With leases: no vote is given before this tick, whatever becomes of term and leader meanwhile. A
   * restarted node may have made the promise in an earlier life.
   */
  voteBarrierTick: number;
  /** An idle group: no clocks run, nothing is sent. */
  isQuiet = false;

  /** Who answered in the present election, and how. */
  readonly votes: Map<NodeId, boolean> = new Map();
  /** For a sabotage that counts answers instead of voters. */
  grantCount = 0;
  /** The Ready that carries the vote for oneself; 0 while none does. */
  ownVoteNumber = 0;
  leading: Leadership | undefined;

  lastNumber = 0;
  readonly pendingWrites: PendingWrite[] = [];

  /** Context of the reads that were asked for in this turn; 0: none. */
  openReadContext = 0;
  lastReadContext: number;
  readonly forwardedReads: ForwardedRead[] = [];

  incoming: IncomingSnapshot | undefined;
  /** A snapshot is complete, and the driver is installing it. */
  installing: SnapshotMetadata | undefined;
  /** The newest image of the own state that can be sent. */
  snapshot: SnapshotMetadata | undefined;

  /** Up to here the log was compared with the present leader's. */
  matchedIndex: LogIndex = 0;
  fetchTicks = 0;
  fetchFrom: NodeId = NOBODY;

  readonly drops: Map<DropReason, number> = new Map();

  constructor(options: RaftOptions) {
    this.settings = checkOptions(options);
    const { image } = options;
    this.self = options.self;
    this.group = options.group;
    this.isWitness = options.isWitness ?? false;
    this.random = options.random;
    this.checksum = options.checksum;
    this.shouldPromote = options.shouldPromote ?? (() => false);
    this.observer = options.observer;
    this.sabotage = readMutants(MUTANTS, options.hasMutant ?? (() => false));
    this.log = new RaftLog(image, options.reader);
    this.membership = new Membership(
      image.base.index,
      image.base.configuration,
      image.configurations,
    );
    this.term = image.hardState.term;
    this.durableTerm = this.term;
    this.votedFor = image.hardState.votedFor;
    this.lastReadContext = this.random.nextUint32() * 2 ** 20;
    this.voteBarrierTick = this.settings.lease === undefined ? 0 : this.settings.electionTicksMin;
    const applied = options.appliedPoint ?? image.base;
    if (!this.log.matches(applied.index, applied.term) && applied.index > this.log.baseIndex) {
      // A crash came after a snapshot was installed and before the log was replaced.
      this.log.reset(applied.index, applied.term);
      this.membership.reset(applied.index, applied.configuration);
      this.outbox.newBase = { point: applied, keepsSuffix: false };
    }
    this.appliedIndex = Math.max(applied.index, this.log.baseIndex);
    this.handedIndex = this.appliedIndex;
    const known = Math.min(image.hardState.commitIndex, this.log.lastIndex);
    this.commitIndex = Math.max(this.appliedIndex, known);
    this.stableIndex = this.log.baseIndex;
    this.drawElectionTimeout();
    assert(this.handedIndex <= this.commitIndex, "only committed entries were ever applied");
  }

  /** §5.2: a new timeout each time, so that split votes do not repeat. */
  drawElectionTimeout(): void {
    const { electionTicksMin, electionTicksMax } = this.settings;
    const spread = electionTicksMax - electionTicksMin + 1;
    this.electionTimeout = electionTicksMin + this.random.below(spread);
  }

  /** Whether a leader is known to live, which others must not disturb (dissertation §4.2.3). */
  get hearsLeader(): boolean {
    if (this.ticks < this.voteBarrierTick) return true;
    if (this.leader === NOBODY) return false;
    return this.isQuiet || this.electionElapsed < this.settings.electionTicksMin;
  }

  /** The leader spoke: this node waits anew, and with leases promises to vote for nobody else. */
  hearLeader(): void {
    this.electionElapsed = 0;
    if (this.settings.lease === undefined) return;
    this.voteBarrierTick = this.ticks + this.settings.electionTicksMin;
  }

  /** Whether the disk has not answered for too long. */
  get isDiskHung(): boolean {
    const oldest = this.pendingWrites[0];
    return oldest !== undefined && this.ticks - oldest.tick >= this.settings.diskStallTicks;
  }

  /** Counts a message that is not taken in. */
  drop(reason: DropReason): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }
}
