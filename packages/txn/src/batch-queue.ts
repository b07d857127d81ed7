import { type Clock, TurnBudget, assert, isKvsError, yieldTurn } from "@kvs/env";
import { PAGE_BYTES, PageMiss, type Pager } from "@kvs/pager";
import { BUFFERED_BYTES_MAX, type Wal } from "@kvs/wal";
import { type BatchApplication } from "./batch-application.ts";
import { BATCH_BYTES_MAX, BatchReader } from "./batch-format.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Publisher } from "./publisher.ts";
import { type HybridClock, type Timestamp } from "./timestamp.ts";
import { txnError, withoutEffect } from "./txn-error.ts";

/** Log bytes asked for in advance beyond a batch's own: page images and splits along its way. */
const LOG_RESERVE_BYTES: number = 64 << 10;
/** Pages kept free beyond a batch's own, for splits up to the root. */
const PAGES_RESERVE = 8;
/** What a leaf holds of a row beyond its key and value. */
const ROW_OVERHEAD_BYTES = 24;
/** Splits of full leaves provided for: 16 MiB. A batch that splits more may meet a full disk half way. */
const SPLIT_PAGES_MAX = 4096;
/** Batches that wait for their turn hold so many bytes at most: two of the longest. */
const WAITING_BYTES_MAX: number = 2 * BATCH_BYTES_MAX;
/** What a waiting batch holds besides its bytes. */
const WAITING_BATCH_BYTES = 512;

export interface BatchQueueParts {
  readonly clock: Clock;
  readonly time: HybridClock;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  readonly publisher: Publisher;
  readonly application: BatchApplication;
}

/**
 * Applies batches strictly one after the other, in the order of `submit`, and has them made durable
 * together.
 *
 * A batch whose pages are resident is applied within `submit`, without waiting, unless this turn has
 * lasted long already. One that misses a page holds up those behind it until it is applied; it does not hold up readers, nor the log.
 * Other work that must not meet a half-applied batch takes its turn among them (`exclusive`).
 */
export class BatchQueue {
  readonly #parts: BatchQueueParts;
  readonly #waiting: (() => void)[] = [];
  readonly #counter = new BatchReader();
  readonly #budget: TurnBudget;
  #isBusy = false;
  #isSyncDue = false;
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
   * @throws {KvsError} `TXN_POISONED` (outcome none: refused; unknown: the store failed while the
   *   batch was under way); `TXN_OVERLOADED`, `DISK_FULL`, `WAL_DISK_FULL` (retryable, outcome
   *   none); errors of reading pages (outcome none).
   */
  submit(batch: Uint8Array): Promise<Timestamp> {
    const rows = this.#counter.reset(batch).remaining;
    if (this.#isBusy || this.#mustWait(batch.length, rows)) return this.#submitLater(batch, rows);
    return this.#submitNow(batch);
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
   * Waits until there is room in the log and in the page file for a batch of this size, so that a
   * full disk does not stop it half way. Call it in a turn of one's own.
   *
   * @throws {KvsError} `TXN_POISONED`; `DISK_FULL`, `WAL_DISK_FULL` (retryable, outcome none).
   */
  async makeRoom(batchBytes: number, rows: number): Promise<void> {
    const { wal, guard, pager } = this.#parts;
    guard.requireSound();
    try {
      await wal.room();
      await wal.ensureSpace(logBytesFor(batchBytes));
      const missing = pagesFor(batchBytes, rows) - pager.space.freePages;
      if (missing > 0) await pager.grow(missing);
    } catch (error) {
      throw withoutEffect(error);
    }
    guard.requireSound();
  }

  /** Has everything that was appended made durable, together with what this turn still appends. */
  requestSync(): void {
    if (this.#isSyncDue) return;
    this.#isSyncDue = true;
    this.#parts.clock.defer(() => {
      this.#isSyncDue = false;
      this.#parts.wal.sync().catch((error: unknown) => this.#parts.guard.poison(error));
    });
  }

  /** Whether a batch of this size cannot be applied at once. */
  #mustWait(batchBytes: number, rows: number): boolean {
    const { wal, guard, pager } = this.#parts;
    if (guard.isPoisoned || this.#budget.isSpent()) return true;
    if (wal.bufferedBytes >= BUFFERED_BYTES_MAX) return true;
    if (pager.space.freePages < pagesFor(batchBytes, rows)) return true;
    const space = wal.ensureSpace(logBytesFor(batchBytes));
    space?.catch(() => undefined); // whoever waits asks again, and is told
    return space !== undefined;
  }

  #submitNow(batch: Uint8Array): Promise<Timestamp> {
    const { application, time } = this.#parts;
    const timestamp = time.next();
    application.begin(batch, timestamp);
    try {
      if (application.run() === "done") return this.#publish(timestamp);
    } catch (error) {
      if (!(error instanceof PageMiss)) return Promise.reject(this.#failure(error));
    }
    this.#isBusy = true;
    return this.#finish(timestamp);
  }

  async #submitLater(batch: Uint8Array, rows: number): Promise<Timestamp> {
    await this.#acquireFor(batch.length);
    const { application, time } = this.#parts;
    try {
      await this.#budget.wait();
      await this.makeRoom(batch.length, rows);
    } catch (error) {
      this.#release();
      throw error;
    }
    const timestamp = time.next();
    application.begin(batch, timestamp);
    return this.#finish(timestamp);
  }

  /** Applies the rest of the batch under way, and lets the next one in. */
  async #finish(timestamp: Timestamp): Promise<Timestamp> {
    let applied: { readonly isPublished: Promise<Timestamp> };
    try {
      applied = await this.#applyRest(timestamp);
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.#release();
    }
    return applied.isPublished;
  }

  /** The promise is wrapped, for the next batch may begin before it is settled. */
  async #applyRest(timestamp: Timestamp): Promise<{ readonly isPublished: Promise<Timestamp> }> {
    const { application, clock, wal } = this.#parts;
    for (;;) {
      // Applied and announced to the publisher in one turn: nothing can fail, nor become durable,
      // in between.
      const applied = await this.#attempt(() => {
        if (application.run() === "slice-over") return undefined;
        return { isPublished: this.#publish(timestamp) };
      });
      if (applied !== undefined) return applied;
      this.requestSync();
      await yieldTurn(clock);
      await wal.room();
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
    this.requestSync();
    return isPublished;
  }

  /** A batch that was begun in the log and cannot be completed leaves the store in doubt. */
  #failure(error: unknown): unknown {
    const { application, guard } = this.#parts;
    if (application.hasLogged) guard.poison(error);
    application.abandon();
    return guard.isPoisoned ? guard.error("none") : withoutEffect(error);
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

function logBytesFor(batchBytes: number): number {
  return 2 * batchBytes + LOG_RESERVE_BYTES;
}

/**
 * What a batch fills, in pages that may be half empty after splits; and each row may split a full
 * leaf first, eight of them the page above.
 */
function pagesFor(batchBytes: number, rows: number): number {
  const filled = (2 * (batchBytes + rows * ROW_OVERHEAD_BYTES)) / PAGE_BYTES;
  return Math.ceil(filled + Math.min((rows * 9) / 8, SPLIT_PAGES_MAX)) + PAGES_RESERVE;
}
