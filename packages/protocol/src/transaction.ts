import { type DocumentValue, type Key } from "@kvs/codec";
import { type Collection } from "./collection.ts";
import {
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  type ValueEntry,
} from "./key-value.ts";

/**
 * What a transaction sees of others.
 *
 * - `read-committed`: each call sees what was committed before it. Writes of one key wait for each
 *   other; two calls may see different things.
 * - `snapshot`: all of it sees one moment. A key that another wrote since cannot be written.
 * - `serializable`: as if all had run one after the other, in an order that agrees with real time.
 */
export type Isolation = "read-committed" | "snapshot" | "serializable";

export interface TransactionOptions {
  /** Default: `serializable`. */
  readonly isolation?: Isolation;
  /** Whether a write locks its key at once, or at commit. Default: `pessimistic`. */
  readonly mode?: "pessimistic" | "optimistic";
  /** It only reads: it never waits, and never fails for what others do. Default: false. */
  readonly readOnly?: boolean;
  /** After so long without a call it is rolled back, 1 to 3,600,000. Default: 60,000. */
  readonly timeoutMs?: number;
}

/** How a body is repeated that met others. */
export interface RetryOptions extends TransactionOptions {
  /** Begins no other try after so long. Default: 30,000. */
  readonly deadlineMs?: number;
  /** Tries in all. Default: as many as the deadline allows. */
  readonly attempts?: number;
}

/** A moment of a transaction to go back to with `rollbackTo`. */
export interface Savepoint {
  readonly transaction: string;
  readonly mark: number;
}

/**
 * Reads and writes that take effect at one moment, or not at all: the same calls as `kv` and
 * collections have, within the transaction. A write shows to the transaction's own reads at once, to
 * others when `commit` has answered.
 *
 * A call that meets others throws a retryable error, `TXN_CONFLICT`, `TXN_DEADLOCK` or
 * `TXN_LOCK_TIMEOUT`, and the transaction is rolled back: begin it again, or let `transaction` do it.
 * Versions of what the transaction wrote itself are 0 until it is committed.
 */
export interface Transaction extends AsyncDisposable {
  readonly id: string;
  get<V = DocumentValue>(key: Key): Promise<V | undefined>;
  getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined>;
  /** As `get`, and nobody else writes the key before this transaction ends. */
  getForUpdate<V = DocumentValue>(key: Key): Promise<V | undefined>;
  scan<V = DocumentValue>(range?: KeyRangeOptions): AsyncIterable<KeyEntry<V>>;
  put(
    key: Key,
    value: unknown,
    options?: { readonly ttlMs?: number; readonly ifVersion?: number },
  ): Promise<void>;
  delete(key: Key, options?: { readonly ifVersion?: number }): Promise<boolean>;
  batch(operations: readonly KeyOperation[]): Promise<void>;
  collection<T extends object>(name: string): Collection<T>;
  savepoint(): Promise<Savepoint>;
  /** Takes back the writes since the savepoint; locks stay. */
  rollbackTo(savepoint: Savepoint): Promise<void>;
  /**
   * @returns The version of everything it wrote.
   * @throws {KvsError} `TXN_CONFLICT` (retryable): nothing happened. With the outcome `unknown`: read
   *   before you repeat it.
   */
  commit(): Promise<{ readonly version: number }>;
  /** Ends it without any effect. Leaving an `await using` block does the same. */
  rollback(): Promise<void>;
}
