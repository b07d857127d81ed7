import { type AbstractDatabaseOptions, AbstractLevel, type AbstractSnapshot } from "abstract-level";
import { type Environment, KvsError, assert } from "@kvs/env";
import {
  type Mutation,
  type Snapshot,
  Store,
  type StoreOptions,
  type StoreStats,
  storePaths,
} from "@kvs/txn";
import { type ByteBounds, toByteRange } from "./byte-range.ts";
import { type IteratorOptions, StoreIterator } from "./store-iterator.ts";
import { type SnapshotOptions, StoreSnapshot } from "./store-snapshot.ts";

/** Reads of `getMany` and `hasMany` that wait for pages at once. */
const READS_MAX = 256;

/** Options of the database, and of the store below it. */
export interface StoreLevelOptions<K, V>
  extends AbstractDatabaseOptions<K, V>, Omit<StoreOptions, "path" | "onProgress"> {}

/** What `open()` is given besides, or the constructor. */
export interface StoreOpenOptions {
  /** Default: true. */
  readonly createIfMissing?: boolean;
  /** Default: false. */
  readonly errorIfExists?: boolean;
}

interface ReadOptions {
  readonly snapshot?: AbstractSnapshot;
}

type Operation =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: Uint8Array };

/**
 * The interface of `abstract-level` over a store. Methods for users, their checks, encodings, events,
 * hooks and sublevels come from there; what follows is what it asks of an implementation.
 *
 * 1. A write is durable when its promise resolves, whatever the option `sync` says.
 * 2. A batch is all or nothing. So is `put`, and so is `del`.
 * 3. An iterator, `getMany` and `clear` see the entries of one moment: when they were called for.
 * 4. `clear` deletes in batches of at most 512 entries: a crash may leave some of its range.
 *
 * Keys have at most 1,056 bytes, values 16 MiB: beyond that writes throw `TXN_KEY_TOO_LARGE` and
 * `TXN_VALUE_TOO_LARGE`.
 */
export class StoreLevel<K = string, V = string> extends AbstractLevel<Uint8Array, K, V> {
  readonly #environment: Environment;
  readonly #storeOptions: StoreOptions;
  #store: Store | undefined;

  /**
   * @param store Where the store is, and how it is opened unless `options` say otherwise. Its directory
   *   is made when the database is opened.
   */
  constructor(
    environment: Environment,
    store: StoreOptions,
    options: StoreLevelOptions<K, V> & StoreOpenOptions = {},
  ) {
    super(MANIFEST, options);
    this.#environment = environment;
    this.#storeOptions = store;
  }

  /** The store's directory. */
  get location(): string {
    return this.#storeOptions.path;
  }

  /**
   * What the store below is doing: memory, log, open snapshots.
   *
   * @throws {KvsError} `TXN_CLOSED` unless the database is open.
   */
  stats(): StoreStats {
    return this.#opened.stats();
  }

  async _open(options: Partial<StoreOptions> & StoreOpenOptions): Promise<void> {
    const { createIfMissing = true, errorIfExists = false } = options;
    const path = this.location;
    const isThere = (await this.#environment.disk.stat(storePaths(path).pages)) !== undefined;
    if (!isThere && !createIfMissing) {
      throw new KvsError("DISK_NOT_FOUND", `the store ${path} does not exist`, NOTHING_HAPPENED);
    }
    if (isThere && errorIfExists) {
      throw new KvsError("DISK_EXISTS", `the store ${path} exists already`, NOTHING_HAPPENED);
    }
    const chosen = { ...this.#storeOptions, ...storeOptionsOf(options) };
    this.#store = await Store.open(this.#environment, chosen);
  }

  async _close(): Promise<void> {
    const store = this.#store;
    this.#store = undefined; // it is closed also if its last checkpoint fails: a second try is not asked
    await store?.close();
  }

  async _get(key: Uint8Array, options: ReadOptions): Promise<Uint8Array | undefined> {
    return this.#opened.get(key, viewOf(options));
  }

  _getSync(key: Uint8Array, options: ReadOptions): Uint8Array | undefined {
    return this.#opened.getSync(key, viewOf(options));
  }

  _getMany(keys: readonly Uint8Array[], options: ReadOptions): Promise<(Uint8Array | undefined)[]> {
    return this.#readMany(keys, options, (value) => value);
  }

  async _has(key: Uint8Array, options: ReadOptions): Promise<boolean> {
    return (await this.#opened.get(key, viewOf(options))) !== undefined;
  }

  _hasMany(keys: readonly Uint8Array[], options: ReadOptions): Promise<boolean[]> {
    return this.#readMany(keys, options, (value) => value !== undefined);
  }

  async _put(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#opened.batch([{ type: "put", key, value }]);
  }

  async _del(key: Uint8Array): Promise<void> {
    await this.#opened.batch([{ type: "delete", key }]);
  }

  async _batch(operations: readonly Operation[]): Promise<void> {
    await this.#opened.batch(operations.map((operation) => toMutation(operation)));
  }

  async _clear(options: ByteBounds & ReadOptions & { readonly limit: number }): Promise<void> {
    const store = this.#opened;
    const view = this.#view(options);
    try {
      const limit = options.limit < 0 ? Number.POSITIVE_INFINITY : options.limit;
      const range = { ...toByteRange(options), limit, snapshot: view };
      for await (const batch of store.scanBatches(range)) {
        const mutations: Mutation[] = [];
        for (let index = 0; index < batch.count; index++) {
          mutations.push({ type: "delete", key: batch.key(index) });
        }
        await store.batch(mutations);
      }
    } finally {
      view.close();
    }
  }

  _iterator(options: IteratorOptions<K, V>): StoreIterator<K, V> {
    const store = this.#opened;
    const { snapshot } = viewOf(options);
    const view = snapshot ?? store.snapshot();
    return new StoreIterator<K, V>(this, options, { store, view, isOwnView: view !== snapshot });
  }

  _snapshot(options: SnapshotOptions): StoreSnapshot {
    return new StoreSnapshot(options, this.#opened.snapshot());
  }

  get #opened(): Store {
    if (this.#store !== undefined) return this.#store;
    const message = "the store is closed; open the database again";
    throw new KvsError("TXN_CLOSED", message, NOTHING_HAPPENED);
  }

  /** A view of the caller's own: of the moment of the snapshot, or of now. */
  #view(options: { readonly snapshot?: AbstractSnapshot | undefined }): Snapshot {
    const { snapshot } = viewOf(options);
    return snapshot === undefined ? this.#opened.snapshot() : snapshot.share();
  }

  /** Reads keys as of one moment, and makes something of each value. */
  async #readMany<T>(
    keys: readonly Uint8Array[],
    options: ReadOptions,
    make: (value: Uint8Array | undefined) => T,
  ): Promise<T[]> {
    const store = this.#opened;
    const view = this.#view(options);
    try {
      const results: T[] = [];
      for (let from = 0; from < keys.length; from += READS_MAX) {
        const some = keys.slice(from, from + READS_MAX);
        const reads = some.map((key) => store.get(key, { snapshot: view }));
        for (const value of await Promise.all(reads)) results.push(make(value));
      }
      return results;
    } finally {
      view.close();
    }
  }
}

/** What this implementation can do, for users and for the suite of `abstract-level`. */
const MANIFEST = {
  encodings: { view: true },
  has: true,
  getSync: true,
  createIfMissing: true,
  errorIfExists: true,
  implicitSnapshots: true,
  explicitSnapshots: true,
  additionalMethods: { stats: true },
  signals: { iterators: true },
} as const;

/** The snapshot to read by, if there is one. */
function viewOf({ snapshot }: { readonly snapshot?: AbstractSnapshot | undefined }): {
  readonly snapshot?: Snapshot;
} {
  if (snapshot === undefined || snapshot === null) return {};
  assert(snapshot instanceof StoreSnapshot, "a snapshot comes from `snapshot()` of this database");
  return { snapshot: snapshot.view };
}

/** Of all that `open` is given, what the store takes. */
function storeOptionsOf(options: Partial<StoreOptions>): Partial<StoreOptions> {
  const known = Object.entries(options).filter(
    ([name, value]) => STORE_OPTIONS.has(name) && value !== undefined,
  );
  return Object.fromEntries(known);
}

const STORE_OPTIONS: ReadonlySet<string> = new Set<keyof StoreOptions>([
  "memoryBytes",
  "segmentBytes",
  "checkpointLogBytes",
  "checkpointIntervalMs",
  "encryption",
  "compression",
]);

function toMutation(operation: Operation): Mutation {
  if (operation.type === "del") return { type: "delete", key: operation.key };
  return { type: "put", key: operation.key, value: operation.value };
}

const NOTHING_HAPPENED = { outcome: "none" } as const;
