import {
  type DocumentObject,
  type DocumentValue,
  type Key,
  decodeDocument,
  encodeKey,
} from "@kvs/codec";
import {
  type Collection,
  type HostedTransaction,
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  type RawCondition,
  type RawCursor,
  type RawEntry,
  type RawOperation,
  type RawPutOptions,
  type RawRange,
  type Savepoint,
  type ValueEntry,
  checkCollectionName,
} from "@kvs/protocol";
import { type Transaction as RowTransaction } from "@kvs/txn";
import { DocumentStore } from "./document-store.ts";
import { type Expiry } from "./expiry.ts";
import { KeyRows } from "./key-rows.ts";
import { KeyValueView } from "./key-value-view.ts";
import { RawWalk } from "./raw-walk.ts";
import { type RowAccess } from "./row-access.ts";
import { type SpaceList } from "./space-list.ts";
import { TransactionRows } from "./transaction-rows.ts";

export interface LocalTransactionParts {
  readonly rows: RowAccess;
  readonly spaces: SpaceList;
  readonly expiry: Expiry;
  readonly transaction: RowTransaction;
}

/** A transaction of a database in this process: its keys and documents, over the rows' transaction. */
export class LocalTransaction implements HostedTransaction {
  readonly id: string;
  readonly #database: string;
  readonly #parts: LocalTransactionParts;
  readonly #rows: TransactionRows;
  readonly #keys: KeyRows;
  readonly #kv: KeyValueView;

  constructor(database: string, parts: LocalTransactionParts) {
    this.id = parts.transaction.id;
    this.#database = database;
    this.#parts = parts;
    const rows = new TransactionRows(parts.rows, parts.transaction);
    const keys = new KeyRows(database, rows, parts.spaces, parts.expiry);
    this.#rows = rows;
    this.#keys = keys;
    this.#kv = new KeyValueView(this);
  }

  get isOpen(): boolean {
    return this.#parts.transaction.isOpen;
  }

  getRaw(key: Uint8Array): RawEntry | undefined | Promise<RawEntry | undefined> {
    return this.#keys.get(key);
  }

  getForUpdateRaw(key: Uint8Array): Promise<RawEntry | undefined> {
    return this.#keys.getForUpdate(key, this.#rows);
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

  scanRaw(range: RawRange): RawCursor {
    return new RawWalk({ rows: this.#rows, keys: this.#keys }, range);
  }

  get<V = DocumentValue>(key: Key): Promise<V | undefined> {
    return this.#kv.get<V>(key);
  }

  getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined> {
    return this.#kv.getEntry<V>(key);
  }

  async getForUpdate<V = DocumentValue>(key: Key): Promise<V | undefined> {
    const entry = await this.getForUpdateRaw(encodeKey(key));
    return entry === undefined ? undefined : (decodeDocument(entry.value) as V);
  }

  scan<V = DocumentValue>(range?: KeyRangeOptions): AsyncIterable<KeyEntry<V>> {
    return this.#kv.scan<V>(range);
  }

  async put(
    key: Key,
    value: unknown,
    options: { readonly ttlMs?: number; readonly ifVersion?: number } = {},
  ): Promise<void> {
    await this.#kv.put(key, value, options);
  }

  delete(key: Key, options: { readonly ifVersion?: number } = {}): Promise<boolean> {
    return this.#kv.delete(key, options);
  }

  async batch(operations: readonly KeyOperation[]): Promise<void> {
    await this.#kv.batch(operations);
  }

  collection<T extends object>(name: string): Collection<T> {
    return this.#documents<T>(name);
  }

  async savepoint(): Promise<Savepoint> {
    return this.#parts.transaction.savepoint();
  }

  async rollbackTo(savepoint: Savepoint): Promise<void> {
    this.#parts.transaction.rollbackTo(savepoint);
  }

  commit(): Promise<{ readonly version: number }> {
    return this.#parts.transaction.commit();
  }

  rollback(): Promise<void> {
    return this.#parts.transaction.rollback();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.rollback();
  }

  #documents<T extends object>(name: string): DocumentStore<T> {
    checkCollectionName(name);
    const { spaces } = this.#parts;
    return new DocumentStore<T>({ database: this.#database, name, rows: this.#rows, spaces });
  }
}
