import { type Clock, type Random, yieldTurn, TurnBudget } from "@kvs/env";
import {
  type CommitPipe,
  type Entry,
  type Mutation,
  type ScanOptions,
  type Snapshot,
  type Store,
  type Timestamp,
  type VersionedValue,
  encodeBatch,
  timestampToMs,
} from "@kvs/txn";
import { ByteWriter } from "@kvs/codec";
import { KeyLocks, lockName } from "./key-locks.ts";
import { UuidSource } from "./uuid.ts";

/** What is read: a store, or something that reads like one. */
export type RowSource = Pick<Store, "read" | "scan" | "snapshot" | "publishedTs">;

export interface RowStoreParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly rows: RowSource;
  readonly pipe: CommitPipe;
}

/** Time after which a walk lets the event loop run. */
const SLICE_MS = 4;
/** Rows of the first step of a walk, and of the longest: some 1 ms of work on small documents. */
const CHUNK_ROWS_FIRST = 8;
const CHUNK_ROWS_MAX = 256;
/** A step ends with the row that reaches this. */
const CHUNK_BYTES: number = 256 << 10;

/**
 * Rows, read from a store and written through a commit pipe: what databases and collections are made
 * of. It evaluates each write under locks on its keys, held from before it reads until the batch is
 * durable.
 */
export class RowStore {
  readonly clock: Clock;
  readonly uuids: UuidSource;
  /** What evaluation may take of one turn. */
  readonly budget: TurnBudget;
  readonly #rows: RowSource;
  readonly #pipe: CommitPipe;
  readonly #locks = new KeyLocks();
  readonly #encoder = new ByteWriter({ initialBytes: 4096 });
  #openWalks = 0;
  /** Writes that have begun and not ended; none are counted once the wait for them began. */
  #openWrites = 0;
  #idle: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(parts: RowStoreParts) {
    this.clock = parts.clock;
    this.budget = new TurnBudget(parts.clock);
    this.uuids = new UuidSource(parts.clock, parts.random);
    this.#rows = parts.rows;
    this.#pipe = parts.pipe;
  }

  /** The newest timestamp that readers see. */
  get publishedTs(): Timestamp {
    return this.#rows.publishedTs;
  }

  /** Walks that have begun and not ended. */
  get openWalks(): number {
    return this.#openWalks;
  }

  /** Milliseconds since 1970: the clock's, or the newest batch's where the clock went back. */
  nowMs(): number {
    return Math.max(this.clock.wallMs(), timestampToMs(this.publishedTs));
  }

  /**
   * Notes that a caller's write begins, before its first wait.
   *
   * @returns What `end` takes when it has ended, however it did.
   */
  begin(): boolean {
    if (this.#idle !== undefined) return false;
    this.#openWrites++;
    return true;
  }

  end(isCounted: boolean): void {
    if (isCounted && --this.#openWrites === 0) this.#idle?.resolve();
  }

  /** Waits for the writes that have begun before. */
  idle(): Promise<void> {
    if (this.#idle === undefined) {
      this.#idle = Promise.withResolvers<void>();
      if (this.#openWrites === 0) this.#idle.resolve();
    }
    return this.#idle.promise;
  }

  /** The row under this key, at once if no page has to be loaded. */
  read(row: Uint8Array): VersionedValue | undefined | Promise<VersionedValue | undefined> {
    return this.#rows.read(row);
  }

  /** A view of the rows as they are now; close it. */
  snapshot(): Snapshot {
    return this.#rows.snapshot();
  }

  /**
   * Evaluates and commits one write.
   *
   * @param keys The rows it reads and writes. No other write touches them meanwhile.
   * @param evaluate Reads what it needs, and returns the mutations; none: nothing is committed.
   * @returns The commit timestamp, or `undefined` if there was nothing to commit.
   */
  async write(
    keys: readonly Uint8Array[],
    evaluate: () => readonly Mutation[] | Promise<readonly Mutation[]>,
  ): Promise<Timestamp | undefined> {
    const names = keys.length === 1 ? [lockName(keys[0]!)] : distinctNames(keys);
    const isHeld = this.#locks.acquire(names);
    if (isHeld !== undefined) await isHeld;
    try {
      const hasTime = this.budget.wait();
      if (hasTime !== undefined) await hasTime;
      const evaluated = evaluate();
      const mutations = evaluated instanceof Promise ? await evaluated : evaluated;
      if (mutations.length === 0) return undefined;
      encodeBatch(this.#encoder, mutations);
      return (await this.#pipe.propose(this.#encoder.toBytes())).version;
    } finally {
      this.#locks.release(names);
    }
  }

  /**
   * Walks over rows in order, as of one moment, some at a time: few at first, so that who looks for
   * one row gets it soon, then more, so that a long walk has few waits. Lets the event loop run in
   * between.
   */
  async *walk(options: ScanOptions): AsyncGenerator<readonly Entry[], void, undefined> {
    this.#openWalks++;
    try {
      let sliceEnd = this.clock.monotonicMs() + SLICE_MS;
      let rows: Entry[] = [];
      let bytes = 0;
      let rowsMax = CHUNK_ROWS_FIRST;
      for await (const entry of this.#rows.scan(options)) {
        rows.push(entry);
        bytes += entry.value.length;
        if (rows.length < rowsMax && bytes < CHUNK_BYTES) continue;
        yield rows;
        rows = [];
        bytes = 0;
        rowsMax = Math.min(rowsMax * 2, CHUNK_ROWS_MAX);
        if (this.clock.monotonicMs() < sliceEnd) continue;
        await yieldTurn(this.clock);
        sliceEnd = this.clock.monotonicMs() + SLICE_MS;
      }
      if (rows.length > 0) yield rows;
    } finally {
      this.#openWalks--;
    }
  }
}

function distinctNames(keys: readonly Uint8Array[]): string[] {
  return [...new Set(keys.map((key) => lockName(key)))];
}
