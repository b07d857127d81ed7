import { type Clock, type Random, TurnBudget } from "@kvs/env";
import {
  type Entry,
  type Mutation,
  type ScanOptions,
  type Snapshot,
  type Store,
  type Timestamp,
  type Transactions,
  type VersionedValue,
  timestampToMs,
} from "@kvs/txn";
import { inChunks } from "./in-chunks.ts";
import { type RowAccess } from "./row-access.ts";
import { UuidSource } from "./uuid.ts";

/** What is read: a store, or something that reads like one. */
export type RowSource = Pick<Store, "read" | "scan" | "scanBatches" | "snapshot" | "publishedTs">;

export interface RowStoreParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly rows: RowSource;
  readonly transactions: Transactions;
}

/**
 * Rows, read from a store and written one evaluated write after the other: what databases and
 * collections are made of. Writes keep out of each other's way, and out of that of transactions.
 */
export class RowStore implements RowAccess {
  readonly clock: Clock;
  readonly uuids: UuidSource;
  /** What evaluation may take of one turn. */
  readonly budget: TurnBudget;
  readonly #rows: RowSource;
  readonly #transactions: Transactions;
  #openWalks = 0;
  /** Writes that have begun and not ended; none are counted once the wait for them began. */
  #openWrites = 0;
  #idle: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(parts: RowStoreParts) {
    this.clock = parts.clock;
    this.budget = new TurnBudget(parts.clock);
    this.uuids = new UuidSource(parts.clock, parts.random);
    this.#rows = parts.rows;
    this.#transactions = parts.transactions;
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

  write(
    keys: readonly Uint8Array[],
    evaluate: () => readonly Mutation[] | Promise<readonly Mutation[]>,
  ): Promise<Timestamp | undefined> {
    return this.#transactions.write(
      keys.map((key) => ({ key })),
      () => {
        const hasTime = this.budget.wait();
        return hasTime === undefined ? evaluate() : hasTime.then(evaluate);
      },
    );
  }

  /**
   * Walks over rows in order, as of one moment, some at a time: few at first, so that who looks for
   * one row gets it soon, then more, so that a long walk has few waits. Lets the event loop run in
   * between.
   */
  async *walk(options: ScanOptions): AsyncGenerator<readonly Entry[], void, undefined> {
    this.#openWalks++;
    try {
      yield* inChunks(this.clock, this.#rows.scan(options));
    } finally {
      this.#openWalks--;
    }
  }
}
