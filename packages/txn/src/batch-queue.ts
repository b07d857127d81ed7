import { type Clock, TurnBudget, assert, isKvsError, sleep, yieldTurn } from "@kvs/env";
import { PageMiss, type Pager } from "@kvs/pager";
import { BUFFERED_BYTES_MAX, type Wal } from "@kvs/wal";
import { type BatchApplication } from "./batch-application.ts";
import { BATCH_BYTES_MAX, BatchReader, MUTATION_DELETE } from "./batch-format.ts";
import { type BatchSpace, type Demand } from "./batch-space.ts";
import { type LeafPrefetch } from "./leaf-prefetch.ts";
import { type LiveUndo } from "./live-undo.ts";
import { type LogSync } from "./log-sync.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Publisher } from "./publisher.ts";
import { CountingClock, type Timestamp, type TimestampSource } from "./timestamp.ts";
import { txnError, withoutEffect } from "./txn-error.ts";

/** Batches that wait for their turn hold so many bytes at most: two of the longest. */
const WAITING_BYTES_MAX: number = 2 * BATCH_BYTES_MAX;
/** What a waiting batch holds besides its bytes. */
const WAITING_BATCH_BYTES = 512;

export interface BatchQueueParts {
  readonly clock: Clock;
  readonly time: TimestampSource;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  readonly publisher: Publisher;
  readonly application: BatchApplication;
  readonly space: BatchSpace;
  readonly logSync: LogSync;
  readonly liveUndo: LiveUndo;
  readonly prefetch: LeafPrefetch;
  /** How long a batch is to wait before it begins, so that a checkpoint catches up; 0 mostly. */
  readonly delayMs: () => number;
}

/**
 * Applies batches strictly one after the other, in the order of `submit`, and has them made durable
 * together.
 *
 * A batch whose pages are resident is applied within `submit`, without waiting, unless this turn has
 * lasted long already. One that misses a page holds up those behind it until it is applied; it does
 * not hold up readers, nor the log. One that fails half way is taken back before the next begins.
 * Other work that must not meet a half-applied batch takes its turn among them (`exclusive`).
 */
export class BatchQueue {
  readonly #parts: BatchQueueParts;
  readonly #waiting: (() => void)[] = [];
  readonly #counter = new BatchReader();
  readonly #budget: TurnBudget;
  #isBusy = false;
  #waitingBytes = 0;

  constructor(parts: BatchQueueParts) {
    this.#parts = parts;
    this.#budget = new TurnBudget(parts.clock);
    parts.wal.onDurable((lsn) => parts.publisher.advance(lsn));
    parts.guard.onPoisoned(() => parts.publisher.fail(parts.guard.error("unknown")));
  }

  /**
   * Applies an encoded batch, and resolves with its timestamp when it is durable and published.
   *
   * @param batch Must stay unchanged until then.
   * @param timestamp Greater than all before. Default: now.
   * @throws {KvsError} `TXN_POISONED` (outcome none: refused; unknown: the store failed while the
   *   batch was under way); `TXN_OVERLOADED`, `DISK_FULL`, `WAL_DISK_FULL` (retryable, outcome
   *   none, or unknown if it is applied and the log has no room for a long time); errors of reading
   *   pages (outcome none).
   */
  submit(batch: Uint8Array, timestamp?: Timestamp): Promise<Timestamp> {
    const rows = this.#counter.reset(batch).remaining;
    const mustWait = this.#isBusy || this.#mustWait(batch.length, rows);
    return mustWait ? this.#submitLater(batch, timestamp) : this.#submitNow(batch, timestamp);
  }

  /** Runs `body` while no batch is being applied. */
  async exclusive<T>(body: () => Promise<T>): Promise<T> {
    await this.#acquire();
    try {
      return await body();
    } finally {
      this.#release();
    }
  }

  /** Waits until every batch that was submitted is applied. */
  async drain(): Promise<void> {
    await this.#acquire();
    this.#release();
  }

  /**
   * Waits until there is room in the log and in the page file for a batch of this size. Call it in a
   * turn of one's own.
   *
   * @throws {KvsError} `TXN_POISONED`; `DISK_FULL`, `WAL_DISK_FULL` (retryable, outcome none).
   */
  async makeRoom(demand: Demand): Promise<void> {
    const { guard, space, logSync } = this.#parts;
    guard.requireSound();
    try {
      if (logSync.stall !== undefined) throw logSync.stall;
      await space.make(demand);
    } catch (error) {
      throw withoutEffect(error);
    }
    guard.requireSound();
  }

  /** Whether a batch of this size cannot be applied at once. */
  #mustWait(batchBytes: number, rows: number): boolean {
    const { wal, guard, space, logSync, delayMs } = this.#parts;
    if (guard.isPoisoned || this.#budget.isSpent()) return true;
    if (wal.bufferedBytes >= BUFFERED_BYTES_MAX || logSync.stall !== undefined) return true;
    return delayMs() > 0 || !space.isThere(batchBytes, rows);
  }

  #submitNow(batch: Uint8Array, given?: Timestamp): Promise<Timestamp> {
    const { application } = this.#parts;
    const timestamp = this.#timestamp(given);
    application.begin(batch, timestamp);
    try {
      if (application.run() === "done") return this.#publish(timestamp);
    } catch (error) {
      if (!(error instanceof PageMiss)) {
        this.#isBusy = true;
        return this.#fail(error);
      }
    }
    this.#isBusy = true;
    return this.#finish(timestamp, demandOf(batch, this.#counter));
  }

  async #submitLater(batch: Uint8Array, given?: Timestamp): Promise<Timestamp> {
    if (this.#isBusy) this.#parts.prefetch.note(batch);
    await this.#acquireFor(batch.length);
    const { application, clock, delayMs } = this.#parts;
    const demand = demandOf(batch, this.#counter);
    try {
      await this.#budget.wait();
      const delay = delayMs();
      if (delay > 0) await sleep(clock, delay);
      await this.makeRoom(demand);
    } catch (error) {
      this.#release();
      throw error;
    }
    const timestamp = this.#timestamp(given);
    application.begin(batch, timestamp);
    return this.#finish(timestamp, demand);
  }

  #timestamp(given: Timestamp | undefined): Timestamp {
    const { time } = this.#parts;
    if (given === undefined) {
      assert(!(time instanceof CountingClock), "a replicated store takes the batches of its log");
      return time.next();
    }
    assert(given > time.last, "timestamps of a replicated log only grow");
    time.witness(given);
    return given;
  }

  /** Applies the rest of the batch under way, and lets the next one in. */
  async #finish(timestamp: Timestamp, demand: Demand): Promise<Timestamp> {
    let applied: { readonly isPublished: Promise<Timestamp> };
    try {
      applied = await this.#applyRest(timestamp, demand);
    } catch (error) {
      return this.#fail(error);
    }
    this.#release();
    return applied.isPublished;
  }

  /** The promise is wrapped, for the next batch may begin before it is settled. */
  async #applyRest(
    timestamp: Timestamp,
    demand: Demand,
  ): Promise<{ readonly isPublished: Promise<Timestamp> }> {
    const { application, clock, space, logSync } = this.#parts;
    for (;;) {
      // Applied and announced to the publisher in one turn: nothing can fail, nor become durable,
      // in between.
      const applied = await this.#attempt(() => {
        if (application.run() === "slice-over") return undefined;
        return { isPublished: this.#publish(timestamp) };
      });
      if (applied !== undefined) return applied;
      logSync.request();
      await yieldTurn(clock);
      await space.makeForSlice(demand);
    }
  }

  /** A full disk has no long run of pages any more: the second try takes the pieces that are free. */
  async #attempt<T>(body: () => T): Promise<T> {
    const { pager } = this.#parts;
    try {
      return await pager.attempt(body);
    } catch (error) {
      if (!isKvsError(error, "DISK_FULL")) throw error;
      return pager.attempt(body);
    }
  }

  #publish(timestamp: Timestamp): Promise<Timestamp> {
    const { publisher, wal } = this.#parts;
    const isPublished = publisher.add(timestamp, wal.endLsn);
    this.#parts.logSync.request();
    return isPublished;
  }

  /** Takes back the batch under way, and ends its turn. */
  async #fail(error: unknown): Promise<never> {
    const { application, guard, liveUndo } = this.#parts;
    const outcome = application.hasCommitted ? "unknown" : "none";
    try {
      const left = application.abandon(error);
      if (left !== undefined) await liveUndo.run(left);
    } finally {
      this.#release();
    }
    throw guard.isPoisoned ? guard.error(outcome) : withoutEffect(error);
  }

  async #acquireFor(batchBytes: number): Promise<void> {
    if (!this.#isBusy) return this.#acquire();
    const held = batchBytes + WAITING_BATCH_BYTES;
    if (this.#waitingBytes + held > WAITING_BYTES_MAX) throw overloaded();
    this.#waitingBytes += held;
    await this.#acquire();
    this.#waitingBytes -= held;
  }

  async #acquire(): Promise<void> {
    if (!this.#isBusy) {
      this.#isBusy = true;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #release(): void {
    assert(this.#isBusy, "only a turn that was taken ends");
    const next = this.#waiting.shift();
    if (next === undefined) this.#isBusy = false;
    else next(); // the turn passes on directly: nobody overtakes
  }
}

function overloaded(): Error {
  const message = "too many batches wait for their turn; repeat this one later";
  return txnError("TXN_OVERLOADED", message, { retryable: true });
}

/** What a batch asks for. One that only deletes may use what is kept for making room. */
function demandOf(batch: Uint8Array, reader: BatchReader): Demand {
  reader.reset(batch);
  const rows = reader.remaining;
  let isUrgent = rows > 0;
  while (isUrgent && reader.next()) isUrgent = reader.type === MUTATION_DELETE;
  return { batchBytes: batch.length, rows, isUrgent };
}
