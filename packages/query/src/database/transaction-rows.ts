import { type Clock, type TurnBudget } from "@kvs/env";
import {
  type Entry,
  type Mutation,
  type ScanOptions,
  type Timestamp,
  type Transaction,
  type VersionedValue,
  timestampToMs,
} from "@kvs/txn";
import { inChunks } from "./in-chunks.ts";
import { type RowAccess } from "./row-access.ts";
import { type UuidSource } from "./uuid.ts";

/** Rows as a transaction sees and writes them. */
export class TransactionRows implements RowAccess {
  readonly clock: Clock;
  readonly uuids: UuidSource;
  readonly budget: TurnBudget;
  readonly #rows: RowAccess;
  readonly #transaction: Transaction;
  /** Whether a write may rely on what it read without locking it first: commit checks that. */
  readonly #isChecked: boolean;

  constructor(rows: RowAccess, transaction: Transaction) {
    this.#rows = rows;
    this.clock = rows.clock;
    this.uuids = rows.uuids;
    this.budget = rows.budget;
    this.#transaction = transaction;
    const { isolation, mode } = transaction.options;
    this.#isChecked = mode === "optimistic" && isolation === "serializable";
  }

  get publishedTs(): Timestamp {
    return this.#transaction.readTimestamp ?? this.#rows.publishedTs;
  }

  nowMs(): number {
    return Math.max(this.clock.wallMs(), timestampToMs(this.publishedTs));
  }

  begin(): boolean {
    return this.#rows.begin();
  }

  end(isCounted: boolean): void {
    this.#rows.end(isCounted);
  }

  read(row: Uint8Array): VersionedValue | undefined | Promise<VersionedValue | undefined> {
    return this.#transaction.read(row);
  }

  /**
   * Absent is what it read, too: one that may write makes the space, so that its reads are noted in
   * it; one that only reads fixes the moment that it sees.
   */
  async noteAbsentSpace(
    row: Uint8Array,
    make: () => number | Promise<number>,
  ): Promise<number | undefined> {
    const { isolation, readOnly } = this.#transaction.options;
    if (isolation === "read-committed") return undefined;
    if (!readOnly) return make();
    await this.#transaction.getEntry(row);
    return undefined;
  }

  /** As `read`, and locks the row. */
  readForUpdate(row: Uint8Array): Promise<VersionedValue | undefined> {
    return this.#transaction.getForUpdate(row);
  }

  async write(
    keys: readonly Uint8Array[],
    evaluate: () => readonly Mutation[] | Promise<readonly Mutation[]>,
  ): Promise<Timestamp | undefined> {
    if (!this.#isChecked) {
      for (const key of keys) {
        const waiting = this.#transaction.lock(key);
        if (waiting !== undefined) await waiting;
      }
    }
    const evaluated = evaluate();
    const mutations = evaluated instanceof Promise ? await evaluated : evaluated;
    for (const mutation of mutations) {
      const { key, tree } = mutation;
      if (mutation.type === "put") await this.#transaction.put(key, mutation.value, tree);
      else await this.#transaction.delete(key, tree);
    }
    return mutations.length === 0 ? undefined : 0;
  }

  walk(options: ScanOptions): AsyncGenerator<readonly Entry[], void, undefined> {
    const { snapshot: _snapshot, ...range } = options;
    return inChunks(this.clock, this.#transaction.scan(range));
  }
}
