/**
 * Makes what was appended durable: one group at a time, each with one durable write per segment it
 * touches, while the next group fills. No timers: whatever queued during a write goes with the next.
 *
 *              request                    oldest group written
 *     idle ───────────────▶ scheduled ──▶ writing ──────────────▶ idle, or scheduled again
 *                                            │ no space: waiters are told, the group stays ─▶ stalled
 *                                            └ any other failure ─▶ failed, for good
 *
 * 1. `durableLsn` moves only when every byte before it is durable.
 * 2. Within a group the pieces are written in order of their segments, each durable before the
 *    next begins: a segment's header is never durable before what it follows.
 * 3. All segments that a group needs exist before its first byte is written.
 * 4. A failed durable write is final. It is never repeated.
 * 5. A stall ends with the next `sync`; the group is then written anew from its start.
 */
import { type Environment, type KvsError, assert, isKvsError, writeFullyAt } from "@kvs/env";

import { type AppendBuffer } from "./append-buffer.ts";
import { type Group } from "./group.ts";
import { type Lsn } from "./lsn.ts";
import { type Sabotage, readSabotage } from "./sabotage.ts";
import { type SegmentSet } from "./segment-set.ts";
import { BUFFERED_BYTES_MAX } from "./wal-options.ts";
import { diskFull, discarded, isNoSpace, syncFailed } from "./wal-error.ts";

interface Waiter {
  readonly lsn: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class GroupCommit {
  readonly #environment: Environment;
  readonly #segments: SegmentSet;
  readonly #buffer: AppendBuffer;
  readonly #sabotage: Sabotage;
  readonly #listeners: ((lsn: Lsn) => void)[] = [];
  /** In the order of their calls. */
  #waiters: Waiter[] = [];
  #roomWaiters: Waiter[] = [];
  #durableLsn: Lsn;
  /** End of all that a write was ever attempted for: beyond it the disk holds nothing of ours. */
  #attemptedLsn: Lsn;
  /** Up to where someone waits. */
  #wantedLsn: number;
  #isScheduled = false;
  #isStalled = false;
  #isHeld = false;
  #writing: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #failure: KvsError | undefined;
  #groupCount = 0;
  #writtenBytes = 0;

  constructor(environment: Environment, segments: SegmentSet, buffer: AppendBuffer) {
    this.#environment = environment;
    this.#segments = segments;
    this.#buffer = buffer;
    this.#durableLsn = buffer.lsn;
    this.#attemptedLsn = buffer.lsn;
    this.#wantedLsn = buffer.lsn;
    this.#sabotage = readSabotage(environment.hooks);
  }

  get durableLsn(): Lsn {
    return this.#durableLsn;
  }

  get attemptedLsn(): Lsn {
    return this.#attemptedLsn;
  }

  get failure(): KvsError | undefined {
    return this.#failure;
  }

  get groupCount(): number {
    return this.#groupCount;
  }

  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  onDurable(listener: (lsn: Lsn) => void): void {
    this.#listeners.push(listener);
  }

  /** Resolves once everything up to `lsn` is durable. */
  sync(lsn: number): Promise<void> {
    if (lsn <= this.#durableLsn) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ lsn, resolve, reject });
      if (lsn > this.#wantedLsn) this.#wantedLsn = lsn;
      this.#isStalled = false;
      this.#schedule();
    });
  }

  /** Starts writing if a group is full. Cheap: called for every record. */
  poke(): void {
    if (this.#buffer.hasSealed && !this.#isScheduled) this.#schedule();
  }

  /** `undefined` if writers may go on; else a promise to wait for. */
  room(): Promise<void> | undefined {
    if (this.#buffer.bufferedBytes < BUFFERED_BYTES_MAX) return undefined;
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#roomWaiters.push({ lsn: 0, resolve, reject });
      this.#wantedLsn = this.#buffer.lsn;
      this.#isStalled = false;
      this.#schedule();
    });
  }

  /** Runs `body` while no group is written. */
  async paused<T>(body: () => Promise<T>): Promise<T> {
    assert(!this.#isHeld, "one cut at a time");
    this.#isHeld = true;
    try {
      while (this.#writing !== undefined) await this.#writing;
      return await body();
    } finally {
      this.#isHeld = false;
      this.#schedule();
    }
  }

  /** The log now ends at `lsn`; who waits for more is told so. */
  cutAfter(lsn: Lsn): void {
    this.#attemptedLsn = Math.min(this.#attemptedLsn, lsn) as Lsn;
    this.#durableLsn = Math.min(this.#durableLsn, lsn) as Lsn;
    this.#wantedLsn = Math.min(this.#wantedLsn, lsn);
    const waiters = this.#waiters;
    this.#waiters = waiters.filter((waiter) => waiter.lsn <= lsn);
    for (const waiter of waiters) {
      if (waiter.lsn > lsn) waiter.reject(discarded(waiter.lsn, lsn));
    }
    this.#settleRoom();
  }

  /** Waits for what is under way, with whatever result. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    await this.#preparing;
  }

  /** Ends the life of the log: `cause` is the first failure. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const failure = syncFailed(cause, "unknown");
    this.#failure = failure;
    this.#buffer.refuse(() => syncFailed(cause, "none"));
    this.#environment.trace.event("error", "wal", "the log failed and accepts nothing more", {
      durableLsn: this.#durableLsn,
      code: isKvsError(cause) ? cause.code : "unknown",
    });
    this.#rejectAll(failure);
  }

  #rejectAll(error: KvsError): void {
    const waiters = [...this.#waiters, ...this.#roomWaiters];
    this.#waiters = [];
    this.#roomWaiters = [];
    for (const { reject } of waiters) reject(error);
  }

  get #hasWork(): boolean {
    if (this.#failure !== undefined || this.#isStalled || this.#isHeld) return false;
    return this.#wantedLsn > this.#durableLsn || this.#buffer.hasSealed;
  }

  /** Writes at the end of this turn, so that everything said in it goes together. */
  #schedule(): void {
    if (this.#isScheduled || this.#writing !== undefined || !this.#hasWork) return;
    this.#isScheduled = true;
    this.#environment.clock.defer(() => {
      this.#isScheduled = false;
      if (this.#writing === undefined && this.#hasWork) this.#start();
    });
  }

  #start(): void {
    const group = this.#buffer.oldest();
    assert(group !== undefined, "what someone waits for is buffered");
    this.#writing = this.#writeGroup(group);
  }

  /** Never rejects. */
  async #writeGroup(group: Group): Promise<void> {
    try {
      await this.#segments.prepareThrough(this.#segments.geometry.baseBefore(group.lsn));
      if (this.#attemptedLsn < group.lsn) this.#attemptedLsn = group.lsn;
      const { acksBeforeSync } = this.#sabotage;
      const written = this.#writePieces(acksBeforeSync ? copyOf(group) : group);
      if (!acksBeforeSync) await written;
      this.#acknowledge(group);
      await written;
    } catch (error) {
      this.#handleFailure(error);
    } finally {
      this.#writing = undefined;
      this.#schedule();
    }
  }

  async #writePieces(group: Group): Promise<void> {
    const { geometry } = this.#segments;
    const { segmentBytes } = geometry;
    const end = group.imageStart + group.imageBytes;
    let position = group.imageStart;
    while (position < end) {
      const base = geometry.baseOf(position);
      const pieceEnd = Math.min(end, base + segmentBytes);
      const from = position - group.imageStart;
      const piece = group.bytes.subarray(from, pieceEnd - group.imageStart);
      const file = this.#segments.fileOf(base);
      if (this.#sabotage.skipsDatasync) await writeFullyAt(file, piece, position - base);
      else await file.writeDurableAt(piece, position - base);
      position = pieceEnd;
    }
  }

  #acknowledge(group: Group): void {
    this.#buffer.releaseOldest();
    assert(group.lsn > this.#durableLsn, "the durable end of the log moves forward");
    this.#durableLsn = group.lsn;
    this.#groupCount++;
    this.#writtenBytes += group.imageBytes;
    for (const listener of this.#listeners) listener(group.lsn);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (waiter.lsn <= group.lsn) waiter.resolve();
      else this.#waiters.push(waiter);
    }
    this.#settleRoom();
    this.#prepareAhead(group.lsn);
  }

  #settleRoom(): void {
    if (this.#roomWaiters.length === 0) return;
    if (this.#buffer.bufferedBytes >= BUFFERED_BYTES_MAX) return;
    const waiters = this.#roomWaiters;
    this.#roomWaiters = [];
    for (const { resolve } of waiters) resolve();
  }

  /**
   * Makes the next segment in the background, so that no group waits for its zeros: as soon as half
   * of this one is used, for a log that stays small needs no second one.
   */
  #prepareAhead(lsn: number): void {
    const { geometry, lastBase } = this.#segments;
    const next = geometry.endAfter(lsn);
    if (lastBase >= next || this.#preparing !== undefined) return;
    if (next - lsn > geometry.segmentBytes / 2) return;
    const prepared = this.#segments.prepareThrough(next);
    this.#preparing = prepared
      .catch((error: unknown) => {
        // Without space the group that needs the segment will say so; here nobody asked.
        if (!isNoSpace(error)) this.fail(error);
      })
      .finally(() => {
        this.#preparing = undefined;
      });
  }

  #handleFailure(error: unknown): void {
    if (!isNoSpace(error)) {
      this.fail(error);
      // A bug, here or in a listener, is not for those who wait: it ends the process.
      if (!isKvsError(error)) this.#environment.clock.defer(() => rethrow(error));
      return;
    }
    this.#isStalled = true;
    this.#wantedLsn = this.#durableLsn;
    this.#environment.hooks.probe("wal.disk-full");
    this.#rejectAll(diskFull(error, "unknown"));
  }
}

/** For the sabotage: the group's bytes are used again while they are written. */
function copyOf(group: Group): Group {
  return { ...group, bytes: group.bytes.slice() };
}

function rethrow(error: unknown): never {
  throw error;
}
