import {
  type DocumentObject,
  type DocumentValue,
  type Key,
  decodeDocument,
  decodeKey,
  encodeDocument,
  encodeKey,
} from "@kvs/codec";
import { type Environment, KvsError } from "@kvs/env";
import {
  type Collection,
  type DatabaseProvider,
  type DatabaseStats,
  type HostedDatabase,
  type HostedTransaction,
  type KeyEntry,
  type KeyOperation,
  type KeyRangeOptions,
  type KeyValue,
  type PutOptions,
  type RawBatch,
  type RawCondition,
  type RawCursor,
  type RawEntry,
  type RawOperation,
  type RawPutOptions,
  type RawRange,
  type RawScanEntry,
  type TransactionFigures,
  type ValueEntry,
  type VersionCondition,
  checkCollectionName,
  keyBounds,
} from "@kvs/protocol";
import { MemoryCollection, type MemoryDocuments, versionMismatch } from "./memory-collection.ts";
import { type MemoryRow, MemoryTable } from "./memory-table.ts";

/** What outlives the process that wrote it: give it to the next one's databases. */
export class MemoryStorage {
  readonly tables: Map<string, MemoryTable> = new Map();
  readonly collections: Map<string, Map<string, MemoryDocuments>> = new Map();
  version = 0;
  /** Changes that took effect, of all databases. */
  commitCount = 0;
}

export interface MemoryOptions {
  readonly storage?: MemoryStorage;
  /** How long a write takes to become durable. Default: 0, the end of the turn. */
  readonly commitMs?: number;
  /** Answer reads later, as if a page had to be read. Default: false. */
  readonly readsLater?: boolean;
}

/**
 * Databases in memory, for tests of servers and clients: the semantics of a stored one, with writes
 * that take effect, in their order, when they are committed. They have no transactions: tests of
 * these take the real engine.
 */
export class MemoryDatabases implements DatabaseProvider {
  readonly #environment: Environment;
  readonly #options: MemoryOptions;
  readonly storage: MemoryStorage;
  /** Names of the databases that are open. */
  readonly openNames: Set<string> = new Set();

  constructor(environment: Environment, options: MemoryOptions = {}) {
    this.#environment = environment;
    this.#options = options;
    this.storage = options.storage ?? new MemoryStorage();
  }

  async open(name: string): Promise<MemoryDatabase> {
    this.openNames.add(name);
    return new MemoryDatabase(this.#environment, {
      name,
      storage: this.storage,
      commitMs: this.#options.commitMs ?? 0,
      readsLater: this.#options.readsLater ?? false,
      closed: () => this.openNames.delete(name),
    });
  }
}

interface MemoryDatabaseParts {
  readonly name: string;
  readonly storage: MemoryStorage;
  readonly commitMs: number;
  readonly readsLater: boolean;
  readonly closed: () => void;
}

/** One database of `MemoryDatabases`. */
export class MemoryDatabase implements HostedDatabase {
  readonly name: string;
  readonly kv: KeyValue;
  readonly #environment: Environment;
  readonly #parts: MemoryDatabaseParts;
  readonly #table: MemoryTable;
  readonly #collections: Map<string, MemoryDocuments>;
  #queue: (() => void)[] = [];
  #openCursors = 0;
  #idCount = 0;

  constructor(environment: Environment, parts: MemoryDatabaseParts) {
    const { name, storage } = parts;
    this.name = name;
    this.#environment = environment;
    this.#parts = parts;
    this.#table = storage.tables.get(name) ?? new MemoryTable();
    this.#collections = storage.collections.get(name) ?? new Map();
    storage.tables.set(name, this.#table);
    storage.collections.set(name, this.#collections);
    this.kv = new MemoryKeyValue(this);
  }

  getRaw(key: Uint8Array): RawEntry | undefined | Promise<RawEntry | undefined> {
    if (!this.#parts.readsLater) return this.#live(this.#table.get(key));
    const asked = key.slice();
    return new Promise((resolve) => {
      this.#environment.clock.defer(() => resolve(this.#live(this.#table.get(asked))));
    });
  }

  putRaw(key: Uint8Array, value: Uint8Array, options: RawPutOptions): Promise<number> {
    const row = { key: key.slice(), value: value.slice() };
    return this.#commit(() => {
      this.#check(row.key, options.ifVersion);
      return this.#put(row.key, row.value, options.ttlMs);
    });
  }

  deleteRaw(key: Uint8Array, options: RawCondition): Promise<boolean> {
    const asked = key.slice();
    return this.#commit(() => {
      this.#check(asked, options.ifVersion);
      const isThere = this.#live(this.#table.get(asked)) !== undefined;
      this.#table.delete(asked);
      return isThere;
    });
  }

  batchRaw(operations: readonly RawOperation[]): Promise<number> {
    const copied = operations.map((operation): RawOperation => {
      const key = operation.key.slice();
      return operation.type === "put"
        ? { ...operation, key, value: operation.value.slice() }
        : { type: "delete", key };
    });
    return this.#commit(() => {
      for (const operation of copied) {
        if (operation.type === "delete") this.#table.delete(operation.key);
        else this.#put(operation.key, operation.value, operation.ttlMs);
      }
      return this.#parts.storage.version;
    });
  }

  scanRaw(range: RawRange): RawCursor {
    this.#openCursors++;
    let isOpen = true;
    let rows: MemoryRow[] | undefined;
    return {
      next: async (entriesMax, bytesMax) => {
        rows ??= this.#rows(range);
        return takeBatch(rows, { entriesMax, bytesMax, isKeysOnly: range.isKeysOnly });
      },
      close: () => {
        if (isOpen) this.#openCursors--;
        isOpen = false;
      },
    };
  }

  async insertRaw(
    collection: string,
    documents: readonly Uint8Array[],
    ordered: () => void,
  ): Promise<string[]> {
    const decoded = documents.map((bytes) => decodeDocument(bytes) as DocumentObject);
    const inserted = this.collection<DocumentObject>(collection).insertMany(decoded);
    ordered();
    return inserted;
  }

  documents(collection: string): Collection<DocumentObject> {
    return this.collection<DocumentObject>(collection);
  }

  begin(): Promise<HostedTransaction> {
    return Promise.reject(withoutTransactions());
  }

  transaction<R>(): Promise<R> {
    return Promise.reject(withoutTransactions());
  }

  collection<T extends object>(name: string): Collection<T> {
    checkCollectionName(name);
    const documents = this.#collections.get(name) ?? new Map();
    this.#collections.set(name, documents);
    return new MemoryCollection<T>(name, {
      documents,
      commit: (apply) => this.#commit(() => apply(toIso(this.#environment.clock.wallMs()))),
      newId: () => `id-${++this.#idCount}`,
    });
  }

  checkpoint(): Promise<void> {
    return this.#commit(() => undefined);
  }

  async stats(): Promise<DatabaseStats> {
    const collections = [...this.#collections].filter(([, documents]) => documents.size > 0);
    return {
      name: this.name,
      collections: collections.map(([name]) => name).toSorted(),
      version: this.#parts.storage.version,
      diskBytes: 0,
      memoryBytes: this.#table.count,
      logBytes: 0,
      openCursors: this.#openCursors,
      transactions: NO_TRANSACTIONS,
    };
  }

  async close(): Promise<void> {
    await this.#commit(() => undefined);
    this.#parts.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #live(row: MemoryRow | undefined): MemoryRow | undefined {
    const isExpired =
      row?.expiresMs !== undefined && row.expiresMs <= this.#environment.clock.wallMs();
    return isExpired ? undefined : row;
  }

  #rows({ from, to, isReverse, limit }: RawRange): MemoryRow[] {
    const rows = this.#table.slice(from, to).filter((row) => this.#live(row) !== undefined);
    if (isReverse) rows.reverse();
    return rows.slice(0, limit);
  }

  #check(key: Uint8Array, ifVersion: number | undefined): void {
    const found = this.#live(this.#table.get(key))?.version ?? 0;
    if (ifVersion !== undefined && ifVersion !== found) throw versionMismatch(ifVersion, found);
  }

  #put(key: Uint8Array, value: Uint8Array, ttlMs: number | undefined): number {
    const { version } = this.#parts.storage;
    const expiresMs = ttlMs === undefined ? undefined : this.#environment.clock.wallMs() + ttlMs;
    this.#table.put({ key, value, version, expiresMs });
    return version;
  }

  /** Applies in the order of the calls, all that came in meanwhile at once. */
  #commit<T>(apply: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#queue.push(() => {
        this.#parts.storage.version++;
        try {
          const result = apply();
          this.#parts.storage.commitCount++;
          resolve(result);
        } catch (error) {
          reject(error);
        }
      });
      if (this.#queue.length > 1) return;
      const { clock } = this.#environment;
      const { commitMs } = this.#parts;
      if (commitMs === 0) clock.defer(() => this.#applyQueue());
      else clock.schedule(commitMs, () => this.#applyQueue());
    });
  }

  #applyQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const apply of queue) apply();
  }
}

function toIso(wallMs: number): string {
  // oxlint-disable-next-line eslint/no-restricted-globals -- reads no clock, only writes a time
  return new Date(wallMs).toISOString();
}

/** Removes the first rows of a walk. */
function takeBatch(
  rows: MemoryRow[],
  options: { entriesMax: number; bytesMax: number; isKeysOnly: boolean },
): RawBatch {
  let count = 0;
  for (let bytes = 0; count < Math.min(rows.length, options.entriesMax);) {
    const { key, value } = rows[count]!;
    count++;
    bytes += key.length + value.length;
    if (bytes >= options.bytesMax) break;
  }
  const entries = rows.splice(0, count).map(({ key, value, version }): RawScanEntry => {
    return { key, value: options.isKeysOnly ? undefined : value, version };
  });
  return { entries, isEnd: rows.length === 0 };
}

/** The interface for users, over the one on bytes. */
class MemoryKeyValue implements KeyValue {
  readonly #database: MemoryDatabase;

  constructor(database: MemoryDatabase) {
    this.#database = database;
  }

  async get<V = DocumentValue>(key: Key): Promise<V | undefined> {
    return (await this.getEntry<V>(key))?.value;
  }

  async getEntry<V = DocumentValue>(key: Key): Promise<ValueEntry<V> | undefined> {
    const found = await this.#database.getRaw(encodeKey(key));
    if (found === undefined) return undefined;
    return { value: decodeDocument(found.value) as V, version: found.version };
  }

  async put(key: Key, value: unknown, options: PutOptions = {}): Promise<{ version: number }> {
    const { ifVersion, ttlMs } = options;
    const encoded = encodeDocument(value as DocumentValue);
    return { version: await this.#database.putRaw(encodeKey(key), encoded, { ifVersion, ttlMs }) };
  }

  delete(key: Key, options: VersionCondition = {}): Promise<boolean> {
    return this.#database.deleteRaw(encodeKey(key), { ifVersion: options.ifVersion });
  }

  async *scan<V = DocumentValue>(range: KeyRangeOptions = {}): AsyncIterable<KeyEntry<V>> {
    const { reverse = false, keysOnly = false, limit } = range;
    const cursor = this.#database.scanRaw({
      ...keyBounds(range),
      isReverse: reverse,
      isKeysOnly: keysOnly,
      limit,
    });
    try {
      const { entries } = await cursor.next(Infinity, Infinity);
      for (const { key, value, version } of entries) {
        const decoded = value === undefined ? undefined : decodeDocument(value);
        yield { key: decodeKey(key), value: decoded as V, version };
      }
    } finally {
      cursor.close();
    }
  }

  async batch(operations: readonly KeyOperation[]): Promise<{ version: number }> {
    const raw = operations.map((operation): RawOperation => {
      const key = encodeKey(operation.key);
      if (operation.type === "delete") return { type: "delete", key };
      const value = encodeDocument(operation.value as DocumentValue);
      return { type: "put", key, value, ttlMs: operation.ttlMs };
    });
    return { version: await this.#database.batchRaw(raw) };
  }
}

const NO_TRANSACTIONS: TransactionFigures = {
  open: 0,
  oldestMs: 0,
  locks: 0,
  waits: 0,
  committed: 0,
  rolledBack: 0,
  conflicts: 0,
  deadlocks: 0,
};

function withoutTransactions(): Error {
  const message = "this database, made for tests, has no transactions; use one of @kvs/query";
  return new KvsError("BAD_OPTION", message, { outcome: "none" });
}
