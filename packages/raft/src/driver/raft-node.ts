/**
 * One replica of one group: the core, its log, its state machine. The driver's duties are numbered in
 * core/ready.ts; each is done where its number is named below.
 *
 * Whatever happens only wakes the replica; its host calls `turn` once for all that happened in a turn
 * of the event loop, so that entries, messages and syncs go in batches. Within a turn: what is proposed
 * goes to the core; then for each Ready messages leave, writes begin, entries are applied.
 *
 * A failure of the disk or of the state machine stops the replica for good (`failure`): it promises
 * nothing any more. The others elect another leader.
 */
import { assert, isKvsError } from "@kvs/env";

import { type Configuration, type MembershipOperation } from "../core/configuration.ts";
import { type EntryBatch, lastIndexOf } from "../core/entry.ts";
import { type GroupId, type LogIndex, type NodeId } from "../core/ids.ts";
import { type MembershipChangeOptions } from "../core/membership-change.ts";
import { type Message } from "../core/message.ts";
import { type RaftCore } from "../core/raft-core.ts";
import { type Role } from "../core/raft-state.ts";
import { type Ready, type WantedChunk } from "../core/ready.ts";
import { Applier } from "./applier.ts";
import { describeNode, nodeStats, type RaftNodeStats } from "./describe-node.ts";
import { stopped } from "./driver-error.ts";
import {
  type GroupOptions,
  KEPT_ENTRIES,
  PROPOSAL_TIMEOUT_TICKS,
  SNAPSHOT_ENTRIES,
} from "./group-options.ts";
import { LogFlusher } from "./log-flusher.ts";
import { makeCore } from "./make-core.ts";
import { MembershipChanges } from "./membership-changes.ts";
import { type NodeHost } from "./node-host.ts";
import { ProposalQueue } from "./proposal-queue.ts";
import { Reads } from "./reads.ts";
import { NO_STORE } from "./snapshot-store.ts";
import { Snapshots } from "./snapshots.ts";
import { type StartPoint } from "./start-point.ts";
import { Transfers } from "./transfers.ts";

export class RaftNode implements AsyncDisposable {
  readonly group: GroupId;
  readonly #host: NodeHost<RaftNode>;
  readonly #options: GroupOptions;
  readonly #core: RaftCore;
  readonly #flusher: LogFlusher;
  readonly #applier: Applier | undefined;
  readonly #snapshots: Snapshots | undefined;
  readonly #proposals: ProposalQueue;
  readonly #reads = new Reads();
  readonly #changes = new MembershipChanges();
  readonly #transfers = new Transfers();
  #ticks = 0;
  #snapshotIndex: LogIndex;
  #failure: { readonly error: unknown } | undefined;
  #isClosed = false;

  /** Use `MultiRaft.open`. */
  constructor(host: NodeHost<RaftNode>, options: GroupOptions, start: StartPoint) {
    this.#host = host;
    this.#options = options;
    this.group = options.group;
    const { clock, sabotage, budget } = host;
    const { log, machine, snapshots: store } = options;
    this.#core = makeCore(host, options, start);
    const timeoutTicks = options.proposalTimeoutTicks ?? PROPOSAL_TIMEOUT_TICKS;
    const isLax = sabotage["raft.driver.ignore-term"];
    this.#proposals = new ProposalQueue(this.#core, timeoutTicks, isLax);
    this.#flusher = new LogFlusher(
      { clock, log, sabotage },
      {
        durable: (readys) => this.#onDurable(readys),
        failed: (error) => this.#fail(error),
      },
    );
    this.#snapshotIndex = start.point.index;
    if (machine !== undefined) {
      assert(store !== undefined || machine.durablePoint !== undefined, "images have a place");
      const applier = new Applier({ machine, budget, sabotage }, start.point);
      this.#applier = applier;
      this.#snapshots = new Snapshots(
        { machine, applier, store: store ?? NO_STORE, sabotage },
        start.point.index,
      );
    }
    log.onLoaded((error) => this.#onLoaded(error));
    host.wake(this);
  }

  /**
   * Proposes a command. Resolves with its index once it is committed and applied here.
   *
   * @param payload Belongs to the group from now on.
   * @throws {KvsError} `RAFT_NOT_LEADER` (`details.leader`, if known), `RAFT_OVERLOADED`,
   *   `RAFT_TRANSFERRING`, `RAFT_BATCH_TOO_LARGE`, `RAFT_STOPPED`: nothing was appended.
   *   `RAFT_DROPPED`: it will never be committed. `RAFT_UNDECIDED` (outcome unknown).
   */
  propose(payload: Uint8Array): Promise<LogIndex> {
    return this.proposeBatch([payload]);
  }

  /**
   * Proposes commands that follow each other; resolves with the index of the last one. One promise for
   * all: for who has many.
   *
   * @throws {KvsError} as `propose`. Of a batch, the beginning may be committed and the rest dropped.
   */
  proposeBatch(payloads: readonly Uint8Array[]): Promise<LogIndex> {
    if (this.#isStopped) return Promise.reject(stopped(this.failure));
    this.#host.wake(this);
    return this.#proposals.add(payloads);
  }

  /**
   * Waits until the state here is at least as new as all that was committed when this was called. Reads of
   * the state that begin then are linearizable. On a follower too: it asks its leader.
   *
   * @returns The index that the state has applied.
   * @throws {KvsError} `RAFT_NOT_LEADER`, `RAFT_OVERLOADED`, `RAFT_READ_ABORTED` (all retryable),
   *   `RAFT_STOPPED`.
   */
  readIndex(): Promise<LogIndex> {
    return this.#ask((resolve, reject) => {
      this.#reads.add(this.#core.readIndex(), resolve, reject);
    });
  }

  /**
   * Changes the members. Resolves once the change is committed and complete.
   *
   * @throws {KvsError} as `RaftCore.changeMembership`; `RAFT_CHANGE_FAILED`: another leader undid it;
   *   `RAFT_UNDECIDED`; `RAFT_STOPPED`.
   */
  changeMembership(
    operations: readonly MembershipOperation[],
    options: MembershipChangeOptions = {},
  ): Promise<LogIndex> {
    return this.#ask((resolve, reject) => {
      const index = this.#core.changeMembership(operations, options);
      this.#changes.add({ index, term: this.#core.term }, resolve, reject);
    });
  }

  /**
   * Passes leadership on. Resolves once this node knows that `to` leads.
   *
   * @throws {KvsError} `RAFT_NOT_LEADER`, `RAFT_INVALID_TRANSFER`, `RAFT_TRANSFER_FAILED`, `RAFT_STOPPED`.
   */
  transferLeadership(to: NodeId): Promise<void> {
    return this.#ask((resolve, reject) => {
      this.#core.transferLeadership(to);
      this.#transfers.begin(to, resolve, reject);
    });
  }

  /** Why the replica stopped by itself, if it did: an error of the disk or of the state machine. */
  get failure(): unknown {
    return this.#failure?.error;
  }

  get role(): Role {
    return this.#core.role;
  }

  get leader(): NodeId | undefined {
    return this.#core.leader;
  }

  get appliedIndex(): LogIndex {
    return this.#core.appliedIndex;
  }

  get configuration(): Configuration {
    return this.#core.configuration;
  }

  /** Whether no clock of this group runs. */
  get isQuiet(): boolean {
    return this.#core.isQuiet;
  }

  stats(): RaftNodeStats {
    return nodeStats(this.#core, this.#proposals.count);
  }

  /** The replica in a few lines, for people. */
  describe(): string {
    const { failure, group } = this;
    const why = failure instanceof Error ? failure.message : "closed";
    const stoppedWhy = this.#isStopped ? why : undefined;
    const facts = { group, waitingProposals: this.#proposals.count, stopped: stoppedWhy };
    return describeNode(this.#core, facts);
  }

  /** The core, for `findViolation` and tests. Not to be called. */
  get core(): RaftCore {
    return this.#core;
  }

  /** Stops the replica. What waits is rejected. The log stays open: it is its owner's. */
  close(): Promise<void> {
    if (!this.#isClosed) this.#stop();
    return this.#applier?.exclusively(() => Promise.resolve()) ?? Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Host: messages for this group arrived. */
  received(message: Message): void {
    if (this.#isStopped) return;
    this.#core.step(message);
    this.#host.wake(this);
  }

  /** Host: duty 8. */
  tick(nowMs: number, count: number): void {
    if (this.#isStopped) return;
    this.#ticks += count;
    for (let left = count; left > 0; left--) this.#core.tick(nowMs);
    this.#proposals.waiting.expire(this.#ticks);
    this.#host.wake(this);
  }

  /** Host: duty 8, after a stall. */
  stalled(): void {
    if (!this.#isStopped) this.#core.stalled();
  }

  /** Host: duty 9. */
  peerLost(node: NodeId): void {
    if (this.#isStopped) return;
    this.#core.peerLost(node);
    this.#host.wake(this);
  }

  /** Host: does all there is to do. */
  turn(): void {
    if (this.#isStopped) return;
    this.#proposals.flush(this.#ticks);
    for (;;) {
      const ready = this.#core.ready();
      if (ready === undefined) break;
      this.#do(ready);
      if (this.#isStopped) return;
    }
    this.#transfers.watch(this.#core);
  }

  #do(ready: Ready): void {
    for (const message of ready.messages) this.#host.send(message); // duty 1
    if (this.#host.sabotage["raft.driver.send-before-persist"]) {
      for (const message of ready.afterPersist) this.#host.send(message);
    }
    if (ready.number !== 0 || ready.install !== undefined) this.#flusher.add(ready); // 2 to 4
    else assert(ready.afterPersist.length === 0, "what waits for a write has a number");
    if (ready.apply.length > 0) void this.#apply(ready.apply); // 5
    this.#reads.fail(ready.failedReads); // 6
    const isHasty = this.#host.sabotage["raft.driver.read-before-apply"];
    this.#reads.confirm(ready.reads, isHasty ? Number.MAX_SAFE_INTEGER : this.#core.appliedIndex);
    for (const chunk of ready.wantedChunks) this.#sendChunk(chunk); // 7
    if (ready.isSnapshotWanted) void this.#makeSnapshot();
  }

  /** Duty 3, and what is received with it. */
  #onDurable(readys: readonly Ready[]): void {
    if (this.#isStopped) return;
    const isSent = this.#host.sabotage["raft.driver.send-before-persist"];
    for (const ready of readys) {
      for (const chunk of ready.receivedChunks) this.#snapshots?.receive(chunk);
      if (!isSent) for (const message of ready.afterPersist) this.#host.send(message);
      if (ready.number !== 0) this.#core.persisted(ready.number);
      if (ready.install !== undefined) void this.#install(ready.install);
    }
    this.#host.wake(this);
  }

  async #apply(batches: readonly EntryBatch[]): Promise<void> {
    const applier = this.#applier;
    assert(applier !== undefined, "a witness has nothing to apply");
    try {
      await applier.apply(batches, (slice) => this.#proposals.waiting.applied(slice));
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isStopped) return;
    const index = lastIndexOf(batches.at(-1)!);
    this.#core.applied(index); // 5
    this.#changes.applied(batches, this.#core);
    this.#reads.applied(index);
    this.#host.wake(this);
    if (index - this.#snapshotIndex >= (this.#options.snapshotEntries ?? SNAPSHOT_ENTRIES)) {
      this.#snapshotIndex = index;
      void this.#shorten();
    }
  }

  /** Cuts the log where the state no longer needs it (10), after making an image if it must. */
  async #shorten(): Promise<void> {
    if (this.#host.sabotage["raft.driver.compact-before-save"]) this.#compact();
    if (this.#options.machine?.durablePoint === undefined) await this.#makeSnapshot();
    if (!this.#isStopped) this.#compact();
  }

  #compact(): void {
    const kept = this.#options.keptEntries ?? KEPT_ENTRIES;
    const durable = this.#snapshots?.durableIndex ?? 0;
    const until = Math.min(durable, this.#core.appliedIndex - kept);
    if (until > 0) this.#core.compact(until);
    this.#host.wake(this);
  }

  async #makeSnapshot(): Promise<void> {
    try {
      const taken = await this.#snapshots?.make();
      if (taken === undefined || this.#isStopped) return;
      this.#core.snapshotTaken(taken); // 7
      this.#host.wake(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Duty 4. A witness is sent no data, and holds no state. */
  async #install(snapshot: NonNullable<Ready["install"]>): Promise<void> {
    try {
      const isGood = (await this.#snapshots?.install(snapshot)) ?? true;
      if (this.#isStopped) return;
      if (isGood) {
        this.#snapshotIndex = snapshot.index;
        this.#proposals.waiting.skipped(snapshot.index);
      }
      this.#core.snapshotInstalled(isGood);
      this.#reads.applied(this.#core.appliedIndex);
      this.#host.wake(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  #sendChunk({ to, snapshot, offset, length }: WantedChunk): void {
    const data = this.#snapshots?.piece(snapshot.index, offset, length);
    if (data === undefined) return; // a newer image is offered when the peer is asked again
    this.#core.sendSnapshotChunk(to, { index: snapshot.index, offset, data });
  }

  /** The store has what it was asked for. */
  #onLoaded(error: unknown): void {
    if (this.#isStopped) return;
    if (error !== undefined) {
      this.#fail(error);
      return;
    }
    this.#core.entriesLoaded();
    this.#host.wake(this);
  }

  /** Calls into the core for somebody who waits; a refusal rejects. */
  #ask<T>(
    body: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isStopped) {
        reject(stopped(this.failure));
        return;
      }
      try {
        body(resolve, reject);
      } catch (error) {
        if (!isKvsError(error)) throw error;
        reject(error);
      }
      this.#host.wake(this);
    });
  }

  get #isStopped(): boolean {
    return this.#isClosed || this.#failure !== undefined;
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#failure = { error };
    this.#stop();
    this.#options.onFailure?.(error);
  }

  #stop(): void {
    this.#isClosed = true;
    this.#flusher.stop();
    this.#proposals.abort(stopped(this.failure));
    this.#reads.abort(stopped(this.failure));
    this.#changes.abort();
    this.#transfers.abort(stopped(this.failure));
    this.#host.closed(this);
  }
}
