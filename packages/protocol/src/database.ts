import { type CollectionOptions, type Collection } from "./collection.ts";
import { type KeyValue } from "./key-value.ts";
import {
  type Isolation,
  type RetryOptions,
  type Transaction,
  type TransactionOptions,
} from "./transaction.ts";

/**
 * A database: ordered keys with values, and collections of documents. The same interface in the own
 * process (`open` of `@kvs/query`), on a server and on a cluster (`connect` of `@kvs/client`).
 *
 * 1. What a promise of a write answered is durable, and every later read sees it.
 * 2. A single write, and a batch, is all or nothing.
 * 3. Absent is `undefined`, not an error. Operating errors are `KvsError`; its `outcome` tells whether
 *    the write happened. It may be `unknown` where a server or a connection failed meanwhile: read
 *    before you repeat it.
 */
export interface Database extends AsyncDisposable {
  /** 1 to 64 characters: letters, digits, `_`, `-`. Made by the first write. */
  readonly name: string;
  /**
   * The collection of this name, made by its first write.
   *
   * @param name 1 to 128 characters: letters, digits, `_`, `-`, `.`.
   * @throws {KvsError} `QUERY_BAD_NAME`.
   */
  // oxlint-disable-next-line typescript/no-generated-empty-object-type -- it has no member so far
  collection<T extends object>(name: string, options?: CollectionOptions<T>): Collection<T>;
  readonly kv: KeyValue;
  /**
   * Begins a transaction; end it with `commit` or `rollback`, or leave its `await using` block.
   *
   * @throws {KvsError} `TXN_TOO_MANY`, and on a server `TOO_MANY_TRANSACTIONS` (retryable); `BAD_OPTION`.
   */
  begin(options?: Isolation | TransactionOptions): Promise<Transaction>;
  /**
   * Runs a body in a transaction and commits it. If it meets others it is rolled back and run again,
   * after a pause, until the deadline: a body does nothing that cannot be repeated. If the body throws,
   * it is rolled back, and its error comes out. A commit whose outcome is unknown is not repeated.
   *
   * @returns What the body returned.
   */
  transaction<R>(body: (tx: Transaction) => Promise<R>, options?: RetryOptions): Promise<R>;
  /** Makes recovery after a crash short. It happens by itself; this is for impatient people. */
  checkpoint(): Promise<void>;
  stats(): Promise<DatabaseStats>;
  /** Waits for what is under way, then gives up files and connections. A second call does nothing. */
  close(): Promise<void>;
}

/** What a database holds and does. Counts may lag behind by the writes under way. */
export interface DatabaseStats {
  readonly name: string;
  /** Names of the collections, sorted. */
  readonly collections: readonly string[];
  /** The newest version that readers see. */
  readonly version: number;
  /** Bytes on disk, log included; 0 in memory. */
  readonly diskBytes: number;
  /** Bytes of the page cache in use. */
  readonly memoryBytes: number;
  /** Bytes of log that recovery would read. */
  readonly logBytes: number;
  readonly openCursors: number;
  /** Of all databases of the same store. */
  readonly transactions: TransactionFigures;
}

/** What the transactions of a store do. Counts begin when it is opened. */
export interface TransactionFigures {
  readonly open: number;
  /** Milliseconds since the oldest open one began; 0 if there is none. */
  readonly oldestMs: number;
  /** Keys that are locked, and calls that wait for one. */
  readonly locks: number;
  readonly waits: number;
  readonly committed: number;
  readonly rolledBack: number;
  readonly conflicts: number;
  readonly deadlocks: number;
}
