import { type Environment, type Timer, assert, isKvsError } from "@kvs/env";
import { Probe } from "@kvs/btree";
import { type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { repeatUntilDone } from "./attempt-mini.ts";
import { BatchReader, MUTATION_DELETE } from "./batch-format.ts";
import { type BatchQueue } from "./batch-queue.ts";
import { ensureUrgentLog } from "./batch-space.ts";
import { type Forest } from "./forest.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Publisher } from "./publisher.ts";
import { type Timestamp } from "./timestamp.ts";

/** Places remembered; beyond it the oldest are forgotten, and later writes nearby prune them. */
const PLACES_MAX = 8192;
/** Places that are done with are cut off so many at a time: one at a time would move all others. */
const DONE_PLACES_MAX = 1024;
/** Values from this length on may have pages of their own, which only a vacuum gives back. */
const LONG_VALUE_BYTES = 512;
/** Leaves looked at in one turn among the batches: about a millisecond. */
const LEAVES_PER_TURN = 16;
/** Log that one leaf may take: it, its parent, a sibling and a bitmap page, on two levels. */
const LOG_BYTES_PER_LEAF: number = 32 << 10;
/** Pause before what nobody can need is looked for: readers and more deletes may be under way. */
const DELAY_MS = 20;
/** Pause after a full disk. */
const RETRY_MS = 1000;

interface Place {
  readonly tree: number;
  readonly key: Uint8Array;
  readonly timestamp: Timestamp;
}

export interface JanitorParts {
  readonly environment: Environment;
  readonly forest: Forest;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
  readonly queue: BatchQueue;
  readonly horizon: () => Timestamp;
  readonly publisher: Publisher;
}

/**
 * Gives back the space of deleted keys and replaced long values, soon after no reader can need them.
 * (Short replaced values go when their leaf is written again; that costs nothing extra.)
 *
 * It only hurries: what it forgets or does not come to is pruned by later writes.
 */
export class Janitor {
  readonly #parts: JanitorParts;
  readonly #probe = new Probe();
  readonly #reader = new BatchReader();
  #places: Place[] = [];
  /** Where the places begin that are not done with. */
  #head = 0;
  /** Where those begin that were not looked at while an old reader held on to them. */
  #looked = 0;
  #timer: Timer | undefined;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(parts: JanitorParts) {
    this.#parts = parts;
  }

  /** Notes what a published batch may have left behind. */
  note(batch: Uint8Array, timestamp: Timestamp): void {
    const reader = this.#reader.reset(batch);
    while (reader.next()) {
      const isLong = reader.valueTo - reader.valueFrom >= LONG_VALUE_BYTES;
      if (reader.type !== MUTATION_DELETE && !isLong) continue;
      const key = batch.slice(reader.keyFrom, reader.keyTo);
      this.#places.push({ tree: reader.tree, key, timestamp });
    }
    const surplus = this.#places.length - this.#head - PLACES_MAX;
    if (surplus > 0) this.#drop(surplus);
    this.#schedule();
  }

  /** Notes the leaves of a batch that was taken back: they may be left empty. */
  noteUndone(tree: number, key: Uint8Array): void {
    const count = this.#places.length - this.#head;
    if (count < PLACES_MAX) this.#places.push({ tree, key, timestamp: 0 });
    this.#schedule();
  }

  /** Begins no more work, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  #schedule(delayMs: number = DELAY_MS): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    if (this.#places.length === this.#head) return;
    const { clock, trace } = this.#parts.environment;
    this.#timer = clock.schedule(delayMs, () => {
      this.#timer = undefined;
      if (this.#parts.guard.isPoisoned) return;
      this.#running = this.#parts.queue
        .exclusive(() => this.#work())
        .then(() => this.#schedule())
        .catch((error: unknown) => {
          const fields = { error: String(error) };
          trace.event("warn", "txn.janitor", "space could not be given back", fields);
          // Of a damaged place, which is forgotten, who reads there is told what is wrong.
          this.#schedule(isKvsError(error) && error.retryable ? RETRY_MS : DELAY_MS);
        });
    });
  }

  async #work(): Promise<void> {
    const { forest, wal, horizon } = this.#parts;
    for (let leaves = 0; leaves < LEAVES_PER_TURN && !this.#isStopped; leaves++) {
      const limit = horizon();
      if (!this.#hasWork(limit)) return;
      await ensureUrgentLog(wal, LOG_BYTES_PER_LEAF);
      const place = this.#take(limit);
      const { writer } = forest.tree(place.tree);
      writer.begin(this.#probe.set(place.key, place.key.length, place.timestamp));
      await repeatUntilDone(this.#parts, () => writer.vacuum(limit));
    }
  }

  #hasWork(limit: Timestamp): boolean {
    const first = this.#places[this.#head];
    if (first !== undefined && first.timestamp <= limit) return true;
    const next = this.#places[Math.max(this.#head, this.#looked)];
    return next !== undefined && next.timestamp <= this.#parts.publisher.publishedTs;
  }

  /**
   * The next place to look at. While an old reader holds on to what is there, each place is looked at
   * once, for versions between that reader and the present, and stays for when the reader is gone.
   */
  #take(limit: Timestamp): Place {
    const first = this.#places[this.#head];
    assert(first !== undefined, "there is work");
    if (first.timestamp > limit) {
      const next = Math.max(this.#head, this.#looked);
      this.#looked = next + 1;
      return this.#places[next]!;
    }
    this.#drop(1);
    return first;
  }

  /** Forgets the oldest places. */
  #drop(count: number): void {
    this.#head += count;
    if (this.#head < DONE_PLACES_MAX && this.#head < this.#places.length) return;
    this.#places.splice(0, this.#head);
    this.#looked = Math.max(0, this.#looked - this.#head);
    this.#head = 0;
  }
}
