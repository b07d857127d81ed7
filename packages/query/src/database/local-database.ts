import { type DocumentObject } from "@kvs/codec";
import { type Clock, type Random } from "@kvs/env";
import {
  type Collection,
  type DatabaseStats,
  type HostedDatabase,
  type Isolation,
  type KeyValue,
  type RawCondition,
  type RawCursor,
  type RawEntry,
  type RawOperation,
  type RawPutOptions,
  type RawRange,
  type RetryOptions,
  type Transaction,
  type TransactionOptions,
  checkCollectionName,
  checkTransactionOptions,
  runTransaction,
} from "@kvs/protocol";
import { type Transactions } from "@kvs/txn";
import { type EngineParts } from "./database-engine.ts";
import { DocumentStore } from "./document-store.ts";
import { type Expiry } from "./expiry.ts";
import { KeyRows } from "./key-rows.ts";
import { KeyValueView } from "./key-value-view.ts";
import { LocalTransaction } from "./local-transaction.ts";
import { RawWalk } from "./raw-walk.ts";
import { type RowStore } from "./row-store.ts";
import { type SpaceList } from "./space-list.ts";

export interface LocalDatabaseParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly transactions: Transactions;
  readonly engine: EngineParts;
  readonly rows: RowStore;
  readonly spaces: SpaceList;
  readonly expiry: Expiry;
  /** What `close` does besides. */
  readonly closed: () => Promise<void>;
}

/** A database in this process. */
export class LocalDatabase implements HostedDatabase {
  readonly name: string;
  readonly kv: KeyValue;
  readonly #parts: LocalDatabaseParts;
  readonly #keys: KeyRows;

  constructor(name: string, parts: LocalDatabaseParts) {
    this.name = name;
    this.#parts = parts;
    this.#keys = new KeyRows(name, parts.rows, parts.spaces, parts.expiry);
    this.kv = new KeyValueView(this);
  }

  collection<T extends object>(name: string): Collection<T> {
    return this.#documents<T>(name);
  }

  documents(collection: string): Collection<DocumentObject> {
    return this.#documents<DocumentObject>(collection);
  }

  async insertRaw(
    collection: string,
    documents: readonly Uint8Array[],
    ordered: () => void,
  ): Promise<string[]> {
    return this.#documents(collection).insertEncoded(documents, ordered);
  }

  getRaw(key: Uint8Array): RawEntry | undefined | Promise<RawEntry | undefined> {
    return this.#keys.get(key);
  }

  putRaw(key: Uint8Array, value: Uint8Array, options: RawPutOptions): Promise<number> {
    return this.#keys.put(key, value, options);
  }

  deleteRaw(key: Uint8Array, options: RawCondition): Promise<boolean> {
    return this.#keys.delete(key, options);
  }

  batchRaw(operations: readonly RawOperation[]): Promise<number> {
    return this.#keys.batch(operations);
  }

  scanRaw(range: RawRange): RawCursor {
    const { rows } = this.#parts;
    return new RawWalk({ rows, keys: this.#keys, snapshot: () => rows.snapshot() }, range);
  }

  async begin(options?: Isolation | TransactionOptions): Promise<LocalTransaction> {
    const { rows, spaces, expiry, transactions } = this.#parts;
    const transaction = transactions.begin(checkTransactionOptions(options));
    return new LocalTransaction(this.name, { rows, spaces, expiry, transaction });
  }

  transaction<R>(body: (tx: Transaction) => Promise<R>, options?: RetryOptions): Promise<R> {
    const { clock, random } = this.#parts;
    const begin = (given: Isolation | TransactionOptions): Promise<Transaction> =>
      this.begin(given);
    return runTransaction({ clock, random, begin }, body, options);
  }

  checkpoint(): Promise<void> {
    return this.#parts.engine.checkpoint();
  }

  async stats(): Promise<DatabaseStats> {
    const { engine, rows, spaces, transactions } = this.#parts;
    const { memoryBytes, logBytes } = engine.stats();
    return {
      name: this.name,
      collections: await spaces.collections(this.name),
      version: rows.publishedTs,
      diskBytes: await engine.diskBytes(),
      memoryBytes,
      logBytes,
      openCursors: rows.openWalks,
      transactions: transactions.stats(),
    };
  }

  #documents<T extends object>(name: string): DocumentStore<T> {
    checkCollectionName(name);
    const { rows, spaces } = this.#parts;
    return new DocumentStore<T>({ database: this.name, name, rows, spaces });
  }

  async close(): Promise<void> {
    await this.#parts.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
