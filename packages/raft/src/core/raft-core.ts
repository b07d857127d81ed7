import { assert, isKvsError } from "@kvs/env";

import { appendOwn } from "./append-own.ts";
import { type Configuration, type MembershipOperation } from "./configuration.ts";
import { isEligible } from "./election.ts";
import { bytesOf, countOf, type Payloads } from "./entry.ts";
import { type LogIndex, NOBODY, type NodeId, type Term } from "./ids.ts";
import { beginLeadershipTransfer } from "./leadership-transfer.ts";
import { confirmsLeaseRead, type LeaseRead, openLeaseRead, revokeLease } from "./lease.ts";
import { type MembershipChangeOptions, proposeChange } from "./membership-change.ts";
import { type Message } from "./message.ts";
import { wake } from "./quiet.ts";
import { batchTooLarge, notLeader, overloaded, transferring } from "./raft-error.ts";
import { type RaftOptions } from "./raft-options.ts";
import { RaftState, type Role } from "./raft-state.ts";
import { trace } from "./raft-trace.ts";
import { openRead } from "./read-index.ts";
import { type Ready } from "./ready.ts";
import { restartElectionTimer } from "./roles.ts";
import { onSnapshotInstalled } from "./snapshot-request.ts";
import { onSnapshotTaken, sendChunk, transferFloor } from "./snapshot-send.ts";
import { step } from "./step.ts";
import { onApplied, onPersisted, takeReady } from "./take-ready.ts";
import { tick } from "./tick.ts";

/** Where a proposal went: its entries follow `firstIndex`, if this leader stays in office. */
export interface Proposed {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** The proposal is committed if the entry at its index, once applied, has this term. */
  readonly term: Term;
}

/**
 * One replica of one group: the algorithm alone. No clock, no disk, no network, no promise.
 *
 * Feed it messages, ticks and requests in any number, then take one `Ready` for all of them and do
 * what it asks: ready.ts numbers the driver's duties. Calls do not nest. An `AssertionFailure` leaves
 * the core unusable: the state can no longer be trusted.
 */
export class RaftCore {
  readonly #state: RaftState;
  #isInside = false;

  /** @throws {KvsError} `RAFT_INVALID_OPTIONS` */
  constructor(options: RaftOptions) {
    this.#state = new RaftState(options);
    trace(this.#state, "InitState");
  }

  /** Takes in a message of a peer. What is late, damaged or hostile is dropped and counted. */
  step(message: Message): void {
    this.#enter();
    step(this.#state, message);
    this.#isInside = false;
  }

  /**
   * Lets one unit of logical time pass.
   *
   * @param nowMs The monotonic clock. Needed for leases only.
   */
  tick(nowMs = 0): void {
    this.#enter();
    tick(this.#state, nowMs);
    this.#isInside = false;
  }

  /** What there is to do since the last call, or `undefined` if nothing. */
  ready(): Ready | undefined {
    this.#enter();
    const ready = takeReady(this.#state);
    this.#isInside = false;
    return ready;
  }

  /**
   * Appends commands to the log. They are committed, or not, later: watch what is to be applied. The
   * payloads belong to the core from now on.
   *
   * @throws {KvsError} `RAFT_NOT_LEADER`, `RAFT_TRANSFERRING`, `RAFT_OVERLOADED` (all retryable) or
   *   `RAFT_BATCH_TOO_LARGE`. Nothing was appended.
   */
  propose(payloads: Payloads): Proposed {
    return this.#guard(() => {
      const state = this.#state;
      const { leading, settings } = state;
      if (leading === undefined) throw notLeader(state.leader);
      if (leading.transfer !== undefined) throw transferring(leading.transfer.to);
      const bytes = bytesOf(payloads);
      if (countOf(payloads) < 1 || bytes > settings.proposalMaxBytes) {
        throw batchTooLarge(bytes, settings.proposalMaxBytes);
      }
      const total = leading.uncommitted.totalBytes + bytes;
      if (total > settings.uncommittedMaxBytes) {
        throw overloaded(leading.uncommitted.totalBytes, settings.uncommittedMaxBytes);
      }
      if (state.isQuiet || leading.isFallingAsleep) wake(state);
      leading.idleTicks = 0;
      const { firstIndex, term } = appendOwn(state, "command", payloads);
      return { firstIndex, lastIndex: state.log.lastIndex, term };
    });
  }

  /**
   * Asks for a point at which a read is linearizable. Its context comes back in `reads` or in
   * `failedReads` of a later Ready. All calls between two Readys share one context. A follower asks
   * its leader.
   *
   * @throws {KvsError} `RAFT_NOT_LEADER` if no leader is known, `RAFT_OVERLOADED` (both retryable).
   */
  readIndex(): number {
    return this.#guard(() => {
      const context = openRead(this.#state);
      wake(this.#state);
      return context;
    });
  }

  /** Permission to read the state as of the returned index at once, or `undefined`: use `readIndex`. */
  leaseRead(nowMs: number): LeaseRead | undefined {
    return openLeaseRead(this.#state, nowMs);
  }

  /** Whether a read under this permission, just made, is linearizable. If not, repeat it. */
  confirmsLeaseRead(read: LeaseRead, nowMs: number): boolean {
    return confirmsLeaseRead(this.#state, read, nowMs);
  }

  /**
   * Proposes other members. Returns the index of the entry that begins the change.
   *
   * @throws {KvsError} `RAFT_NOT_LEADER`, `RAFT_TRANSFERRING`, `RAFT_CHANGE_PENDING`,
   *   `RAFT_LEARNER_BEHIND` (all retryable) or `RAFT_INVALID_CHANGE`. Nothing was appended.
   */
  changeMembership(
    operations: readonly MembershipOperation[],
    options: MembershipChangeOptions = {},
  ): LogIndex {
    return this.#guard(() => {
      const index = proposeChange(this.#state, operations, options);
      wake(this.#state);
      return index;
    });
  }

  /**
   * Begins to pass leadership on. It succeeded once `leader` is the target; after an election timeout
   * it has failed, and proposals are taken again.
   *
   * @throws {KvsError} `RAFT_NOT_LEADER` (retryable) or `RAFT_INVALID_TRANSFER`.
   */
  transferLeadership(to: NodeId): void {
    this.#guard(() => {
      beginLeadershipTransfer(this.#state, to);
      wake(this.#state);
    });
  }

  /** Duty 3: the content of all Readys up to this number is durable. */
  persisted(number: number): void {
    this.#enter();
    onPersisted(this.#state, number);
    this.#isInside = false;
  }

  /** Duty 5: the state machine took in everything up to `index`. */
  applied(index: LogIndex): void {
    this.#enter();
    onApplied(this.#state, index);
    this.#isInside = false;
  }

  /** Duty 4: the image is installed and durable, or was found to be damaged. */
  snapshotInstalled(isGood: boolean): void {
    this.#enter();
    onSnapshotInstalled(this.#state, isGood);
    this.#isInside = false;
  }

  /** Duty 7: an image of the state as of `index`, which was applied, can be sent to peers. */
  snapshotTaken(image: {
    readonly index: LogIndex;
    readonly sizeBytes: number;
    readonly checksum: number;
  }): void {
    this.#enter();
    const { log, membership, appliedIndex } = this.#state;
    const { index } = image;
    assert(index <= appliedIndex && index > 0, "an image shows a state that was reached");
    if (index >= log.baseIndex) {
      const configuration = membership.at(index);
      onSnapshotTaken(this.#state, { ...image, term: log.termAt(index), configuration });
    }
    this.#isInside = false;
  }

  /** Duty 7: a piece of an image that a Ready asked for. */
  sendSnapshotChunk(
    to: NodeId,
    chunk: { readonly index: LogIndex; readonly offset: number; readonly data: Uint8Array },
  ): void {
    this.#enter();
    sendChunk(this.#state, to, chunk);
    this.#isInside = false;
  }

  /** Entries that `EntryReader.read` did not have can be read now. */
  entriesLoaded(): void {
    const { leading } = this.#state;
    if (leading === undefined) return;
    for (const progress of leading.others) progress.isLoading = false;
    leading.isBroadcastDue = true;
  }

  /**
   * Drops entries up to `index`, or up to where they may still be needed: not applied, being sent as
   * an image, or, with witnesses, not yet held by all voters with data. Returns the new base.
   */
  compact(index: LogIndex): LogIndex {
    this.#enter();
    const state = this.#state;
    const { log, membership, outbox } = state;
    const { witnesses } = membership.current;
    const stable = witnesses.length > 0 ? state.stableIndex : index;
    const floor = Math.min(index, stable, state.appliedIndex, log.persistedIndex);
    const base = Math.min(floor, transferFloor(state));
    if (base > log.baseIndex && state.installing === undefined) {
      membership.compact(base);
      log.compact(base);
      const configuration = membership.at(base);
      const keepsSuffix = outbox.newBase?.keepsSuffix ?? true;
      outbox.newBase = { point: { index: base, term: log.baseTerm, configuration }, keepsSuffix };
    }
    this.#isInside = false;
    return log.baseIndex;
  }

  /**
   * Duty 8: the event loop stood still for longer than a tick or two. Messages that wait are read
   * first; until then the silence says nothing about the leader (REL-R13), and no lease counts.
   */
  stalled(): void {
    restartElectionTimer(this.#state);
    if (!this.#state.sabotage["raft.lease-survives-stall"]) revokeLease(this.#state);
  }

  /** Duty 9: the connection to a peer broke, or its process fell silent. */
  peerLost(node: NodeId): void {
    this.#enter();
    const state = this.#state;
    wake(state);
    if (
      node === state.leader &&
      state.leading === undefined &&
      state.settings.lease === undefined
    ) {
      // Its silence is certain: nobody needs to wait it out. A lease, though, was promised.
      state.electionElapsed = Math.max(state.electionElapsed, state.settings.electionTicksMin);
    }
    this.#isInside = false;
  }

  get self(): NodeId {
    return this.#state.self;
  }

  get role(): Role {
    return this.#state.role;
  }

  get term(): Term {
    return this.#state.term;
  }

  /** Who leads this term, if this node knows. */
  get leader(): NodeId | undefined {
    return this.#state.leader === NOBODY ? undefined : this.#state.leader;
  }

  get commitIndex(): LogIndex {
    return this.#state.commitIndex;
  }

  get appliedIndex(): LogIndex {
    return this.#state.appliedIndex;
  }

  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex;
  }

  /** The members as of the last configuration in the log, committed or not. */
  get configuration(): Configuration {
    return this.#state.membership.current;
  }

  /** Whether this node may vote and campaign: none of its entries is damaged. */
  get isEligible(): boolean {
    return isEligible(this.#state);
  }

  get isWitness(): boolean {
    return this.#state.isWitness;
  }

  /** Whether the group is idle and its clocks stand: ticks have no effect. */
  get isQuiet(): boolean {
    return this.#state.isQuiet;
  }

  /** All that the core knows, for `describe`, `findViolation` and tests. Not to be changed. */
  get state(): Readonly<RaftState> {
    return this.#state;
  }

  /** A refusal leaves the core as it was; anything else that is thrown makes it unusable. */
  #guard<T>(body: () => T): T {
    this.#enter();
    try {
      const result = body();
      this.#isInside = false;
      return result;
    } catch (error) {
      if (isKvsError(error)) this.#isInside = false;
      throw error;
    }
  }

  #enter(): void {
    assert(!this.#isInside, "calls do not nest, and none follows a broken invariant");
    this.#isInside = true;
  }
}
