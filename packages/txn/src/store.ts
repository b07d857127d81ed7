import { ByteWriter } from "@kvs/codec";
import { type Environment, type FileLock, isKvsError } from "@kvs/env";
import { type TreeState } from "@kvs/btree";
import { PageMiss, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { BatchApplication } from "./batch-application.ts";
import { BytePool } from "./byte-pool.ts";
import { MAIN_TREE, type Mutation, checkBatch, checkKeySize, encodeBatch } from "./batch-format.ts";
import { BatchQueue } from "./batch-queue.ts";
import { BatchSpace } from "./batch-space.ts";
import { type StoreFinding, checkStore } from "./check.ts";
import { CheckpointSchedule } from "./checkpoint-schedule.ts";
import { Checkpointer } from "./checkpoint.ts";
import { type CommitPipe } from "./commit-pipe.ts";
import { type EntryBatch } from "./entry-batch.ts";
import { CATALOG_TREE, type Forest } from "./forest.ts";
import { type HotCopy, type HotCopyOptions, writeCopy } from "./hot-copy.ts";
import { Janitor } from "./janitor.ts";
import { type RotatedKeys } from "./key-ring-rotation.ts";
import { type KeyInfo } from "./key-ring.ts";
import { LiveUndo } from "./live-undo.ts";
import { LogSync } from "./log-sync.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { type OpenedEngine, openEngine } from "./open-store.ts";
import { Publisher } from "./publisher.ts";
import { RowReader, type VersionedValue } from "./row-reader.ts";
import { type Entry, Scan, type ScanRange } from "./scan.ts";
import { type Snapshot, SnapshotRegistry } from "./snapshots.ts";
import { StoreCustody } from "./store-custody.ts";
import { type StoreOptions, resolveStoreOptions } from "./store-options.ts";
import { type StoreStats, collectStats } from "./store-stats.ts";
import { HybridClock, type Timestamp } from "./timestamp.ts";
import { TreeMaker } from "./tree-maker.ts";
import { closedError } from "./txn-error.ts";

/** Where to read. */
export interface ReadOptions {
  /** The number of the tree; default `MAIN_TREE`. */
  readonly tree?: number;
  /** As of when; default: the newest published batch. */
  readonly snapshot?: Snapshot;
}

export interface ScanOptions extends ScanRange, ReadOptions {}

/**
 * A crash-safe, versioned store of byte keys: ordered trees over one page file, one log.
 *
 * 1. A batch is all or nothing, and durable when its promise resolves. Batches take effect in the
 *    order of the calls.
 * 2. A reader sees the batches that were published when it began, whole, and no others. It never
 *    waits for writers, nor they for it. Who has seen a batch answered sees it in later reads.
 * 3. A crash at any moment, recovery included, loses no answered batch and leaves none half done.
 * 4. Anything that goes wrong in the middle of a change ends all writing (`TXN_POISONED`): close the
 *    store and open it again.
 *
 * Keys have at most 1,056 bytes, values 16 MiB, batches 64 MiB.
 *
 * How it works: ARCHITECTURE.md; formats: docs/formats.
 */
export class Store implements CommitPipe, AsyncDisposable {
  readonly #environment: Environment;
  readonly #lock: FileLock;
  readonly #wal: Wal;
  readonly #pager: Pager;
  readonly #guard: MutationGuard;
  readonly #forest: Forest;
  readonly #publisher: Publisher;
  readonly #snapshots = new SnapshotRegistry();
  readonly #logSync: LogSync;
  readonly #liveUndo: LiveUndo;
  readonly #queue: BatchQueue;
  readonly #checkpointer: Checkpointer;
  readonly #janitor: Janitor;
  readonly #treeMaker: TreeMaker;
  readonly #reader: RowReader;
  readonly #encoder = new ByteWriter({ initialBytes: 4096 });
  readonly #copies = new BytePool();
  readonly #schedule: CheckpointSchedule;
  readonly #custody: StoreCustody;
  #closing: Promise<void> | undefined;

  private constructor(
    environment: Environment,
    engine: OpenedEngine,
    options: ReturnType<typeof resolveStoreOptions>,
  ) {
    const { wal, pager, guard, mini, forest, header, analysis } = engine;
    const { hooks, clock } = environment;
    this.#environment = environment;
    this.#lock = engine.lock;
    this.#wal = wal;
    this.#pager = pager;
    this.#guard = guard;
    this.#forest = forest;
    this.#publisher = new Publisher(Math.max(analysis.committedTs, options.startTimestamp));
    const newest = Math.max(analysis.newestTs, options.startTimestamp);
    const time = new HybridClock(clock, newest);
    const freesEarly = hooks.hasMutant("txn.free-before-commit");
    const horizon = (): Timestamp => (freesEarly ? time.last : this.#horizon());
    const commitsFirst = hooks.hasMutant("txn.commit-before-mini");
    const publisher = this.#publisher;
    const application = new BatchApplication({ forest, mini, wal, guard, horizon, commitsFirst });
    this.#logSync = new LogSync({ environment, wal, guard, publisher });
    const logSync = this.#logSync;
    this.#liveUndo = new LiveUndo({
      environment,
      wal,
      pager,
      mini,
      guard,
      forest,
      onRowUndone: (tree, key) => this.#janitor.noteUndone(tree, key),
    });
    const liveUndo = this.#liveUndo;
    this.#queue = new BatchQueue({
      clock,
      time,
      pager,
      wal,
      guard,
      publisher,
      application,
      logSync,
      liveUndo,
      space: new BatchSpace({ pager, wal, onLogFull: () => this.#schedule.noteFullLog() }),
      delayMs: () => this.#schedule.delayMs,
    });
    this.#checkpointer = new Checkpointer({
      environment,
      pager,
      wal,
      guard,
      mini,
      publisher,
      forest,
      header,
      holds: engine.holds,
    });
    const queue = this.#queue;
    this.#janitor = new Janitor({ environment, forest, pager, wal, mini, guard, queue, horizon });
    this.#treeMaker = new TreeMaker({
      forest,
      pager,
      mini,
      guard,
      wal,
      queue,
      time,
      publisher,
      logSync,
      liveUndo,
    });
    this.#reader = new RowReader(pager);
    this.#schedule = new CheckpointSchedule({
      environment,
      checkpointer: this.#checkpointer,
      logBytes: options.checkpointLogBytes,
      intervalMs: options.checkpointIntervalMs,
    });
    this.#custody = new StoreCustody({
      environment,
      engine,
      path: options.path,
      queue,
      checkpointer: this.#checkpointer,
      requireOpen: () => this.#requireOpen(),
    });
  }

  /**
   * Opens a store, or makes an empty one; recovers it if it was not closed.
   *
   * @throws {KvsError} `DISK_LOCKED` if another process has it; `PAGER_UNKNOWN_VERSION`,
   *   `WAL_UNSUPPORTED` if a newer program wrote it; `PAGER_NO_HEADER`, `PAGER_CORRUPT_PAGE`,
   *   `WAL_DAMAGED`, `TXN_DAMAGED_LOG`, `TXN_DAMAGED_STORE`: restore it from a copy; errors of the
   *   disk.
   *
   * Cost: reads the log since the latest checkpoint.
   */
  static async open(environment: Environment, options: StoreOptions): Promise<Store> {
    const resolved = resolveStoreOptions(options);
    const engine = await openEngine(environment, resolved);
    const store = new Store(environment, engine, resolved);
    try {
      if (engine.isNew) {
        await store.#treeMaker.makeFirst(store.#checkpointer);
        await store.#checkpointer.run(); // twice: no copy of the header says "new" any more
        await store.#custody.noteCreated(); // nor is one of them plain
      }
      await store.#checkpointer.run();
    } catch (error) {
      await store.#abandon();
      throw error;
    }
    for (const { tree, key } of engine.undoneRows) store.#janitor.noteUndone(tree, key);
    store.#schedule.start();
    store.#custody.start();
    return store;
  }

  /** Whether a failure ended all writing; reopening the store recovers it. */
  get isPoisoned(): boolean {
    return this.#guard.isPoisoned;
  }

  /** The newest batch that readers see. */
  get publishedTs(): Timestamp {
    return this.#publisher.publishedTs;
  }

  /**
   * Reads the value of a key.
   *
   * @returns Bytes of the caller's own, `undefined` if the key is absent.
   * @throws {KvsError} `TXN_CLOSED`, `TXN_SNAPSHOT_CLOSED`, `TXN_UNKNOWN_TREE`;
   *   `PAGER_CORRUPT_PAGE`, `BTREE_DAMAGED_VALUE`: this key's place is damaged, others may not be.
   */
  async get(key: Uint8Array, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    return (await this.getEntry(key, options))?.value;
  }

  /** As `get`, with the timestamp of the batch that wrote the value. */
  async getEntry(key: Uint8Array, options: ReadOptions = {}): Promise<VersionedValue | undefined> {
    return this.read(key, options);
  }

  /** As `getEntry`, but answers without a promise if no page has to be loaded. */
  read(
    key: Uint8Array,
    options: ReadOptions = {},
  ): VersionedValue | undefined | Promise<VersionedValue | undefined> {
    const tree = this.#treeToRead(key, options);
    try {
      return this.#reader.readResident(tree, key, this.#timestampOf(options));
    } catch (error) {
      if (!(error instanceof PageMiss)) throw error;
    }
    return this.#readLater(tree, key, options);
  }

  /** As `get`, but reads what is not in memory while the event loop stands still. */
  getSync(key: Uint8Array, options: ReadOptions = {}): Uint8Array | undefined {
    const tree = this.#treeToRead(key, options);
    const timestamp = this.#timestampOf(options);
    try {
      return this.#reader.readResident(tree, key, timestamp)?.value;
    } catch (error) {
      if (!(error instanceof PageMiss)) throw error;
    }
    return this.#reader.readSync(tree, key, timestamp)?.value;
  }

  /**
   * Applies mutations, all or nothing. Of several mutations of one key the last one counts.
   *
   * @returns When they are durable: the timestamp under which they are visible from now on.
   * @throws {KvsError} `TXN_KEY_TOO_LARGE`, `TXN_VALUE_TOO_LARGE`, `TXN_BATCH_TOO_LARGE`,
   *   `TXN_UNKNOWN_TREE`, `TXN_CLOSED`; `TXN_OVERLOADED`, `DISK_FULL`, `WAL_DISK_FULL` (retryable);
   *   `TXN_POISONED`, with outcome "unknown" if the batch was under way.
   */
  async batch(mutations: readonly Mutation[]): Promise<{ readonly version: Timestamp }> {
    this.#requireOpen();
    for (const { tree = MAIN_TREE } of mutations) this.#forest.treeOfUsers(tree);
    encodeBatch(this.#encoder, mutations);
    if (mutations.length === 0) return { version: this.#publisher.publishedTs };
    const batch = this.#copies.copy(this.#encoder.buffer, 0, this.#encoder.position);
    const version = await this.#queue.submit(batch);
    this.#afterBatch(batch, version);
    return { version };
  }

  /**
   * As `batch`, with mutations that are encoded already.
   *
   * @throws {KvsError} as `batch`; `TXN_DAMAGED_BATCH` if the bytes are none.
   */
  async propose(batch: Uint8Array): Promise<{ readonly version: Timestamp }> {
    this.#requireOpen();
    checkBatch(batch, (tree) => this.#forest.has(tree) && tree !== CATALOG_TREE);
    const version = await this.#queue.submit(batch);
    this.#afterBatch(batch, version);
    return { version };
  }

  /**
   * Walks over the keys of a range, in order, as of one moment: when the first entry is asked for,
   * or the snapshot's. Leave the loop, or come to its end, to let the view go. The bounds must stay
   * unchanged until then.
   *
   * @throws {KvsError} as `get`.
   */
  async *scan(options: ScanOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const copies = this.#copies;
    for await (const batch of this.scanBatches(options)) {
      for (let index = 0; index < batch.count; index++) {
        const key = batch.key(index).slice();
        const found = batch.value(index);
        const value = copies.copy(found, 0, found.length);
        yield { key, value, version: batch.version(index) };
      }
    }
  }

  /**
   * As `scan`, up to 512 entries at once, of which none is an object: for who reads many. The memory
   * of a batch is the caller's own.
   */
  async *scanBatches(options: ScanOptions = {}): AsyncGenerator<EntryBatch, void, undefined> {
    const { gt, gte, lt, lte } = options;
    for (const bound of [gt, gte, lt, lte]) checkKeySize(bound?.length ?? 0);
    const tree = this.#treeToRead(NO_KEY, options);
    const snapshot = this.#hold(options);
    try {
      const scan = new Scan(this.#pager, tree, options, snapshot.timestamp);
      for (;;) {
        const batch = await scan.next().catch(tellClosed);
        if (batch.count === 0) return;
        yield batch;
        this.#requireOpen();
      }
    } finally {
      snapshot.close();
    }
  }

  /** Opens a view of the store as it is now. Versions that it sees are kept until it is closed. */
  snapshot(): Snapshot {
    this.#requireOpen();
    return this.#snapshots.open(this.#publisher.publishedTs);
  }

  /**
   * The number of the tree with this name; makes it if there is none.
   *
   * @param name 1 to 256 bytes in UTF-8.
   */
  openTree(name: string): Promise<number> {
    this.#requireOpen();
    return this.#treeMaker.open(name);
  }

  /** Names and numbers of the trees. */
  trees(): ReadonlyMap<string, number> {
    return this.#forest.names();
  }

  /**
   * Makes recovery short: writes what changed to its place, and cuts the log. Readers and writers go
   * on meanwhile.
   */
  async checkpoint(): Promise<void> {
    this.#requireOpen();
    await this.#checkpointer.run();
  }

  /**
   * Looks at every page: checksums, order, bounds, links, and that each page is in use exactly once
   * or free. Holds up writers, not readers.
   *
   * @returns What is wrong; empty if nothing is.
   */
  async check(): Promise<readonly StoreFinding[]> {
    this.#requireOpen();
    return this.#queue.exclusive(() => checkStore(this.#pager, this.#forest));
  }

  /**
   * A copy of the store as it is now, or a little later, while it goes on: see {@link HotCopy}. The
   * log is kept until the copy was read to its end, or given up, or the store is closed.
   */
  hotCopy(options: HotCopyOptions = {}): HotCopy {
    this.#requireOpen();
    return this.#custody.hotCopy(options);
  }

  /**
   * Writes a copy of the store into a file, durably. The file has its name when it is whole.
   *
   * @returns Its length in bytes.
   * @throws {KvsError} `DISK_EXISTS`; as `hotCopy`.
   */
  async copyTo(path: string, options: HotCopyOptions = {}): Promise<number> {
    return writeCopy(this.#environment, this.hotCopy(options), path);
  }

  /** The store's data keys, oldest first; empty if it is plain. */
  keys(): readonly KeyInfo[] {
    return this.#custody.keys();
  }

  /**
   * Seals everything with a fresh key, while the store goes on, and destroys the keys before once
   * neither page nor log needs them. Copies made before still need theirs, and hold them. A crash in
   * between loses nothing; the next open goes on.
   *
   * @throws {KvsError} `TXN_NOT_ENCRYPTED`, `TXN_TOO_MANY_KEYS`, `KEY_UNAVAILABLE`; as `checkpoint`.
   *
   * Cost: writes every page twice, once into the log.
   */
  async rotateKeys(): Promise<RotatedKeys> {
    this.#requireOpen();
    return this.#custody.rotateKeys();
  }

  /**
   * Wraps the store's keys with the provider's newest master key. The data stay as they are: this is
   * what to do when the master key changes. Old copies still need the old master key.
   *
   * @returns How many keys were wrapped.
   * @throws {KvsError} `TXN_NOT_ENCRYPTED`; `KEY_UNAVAILABLE`, `KEY_UNKNOWN_MASTER`, `KEY_REFUSED`.
   */
  async rewrapKeys(): Promise<number> {
    this.#requireOpen();
    return this.#custody.rewrapKeys();
  }

  stats(): StoreStats {
    return collectStats({
      wal: this.#wal,
      pager: this.#pager,
      publisher: this.#publisher,
      snapshots: this.#snapshots,
      checkpointer: this.#checkpointer,
      forest: this.#forest,
    });
  }

  /**
   * Waits for the batches that were called for, makes a last checkpoint and closes the files. A
   * second call waits for the first.
   *
   * @throws {KvsError} if the last checkpoint failed; the store is closed all the same, and the next
   *   open recovers it.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#schedule.stop();
    this.#liveUndo.stop();
    await this.#janitor.stop();
    await this.#custody.stop();
    await this.#queue.drain();
    try {
      if (!this.#guard.isPoisoned) await this.#checkpointer.run(true);
    } finally {
      this.#logSync.stop();
      await this.#abandon();
      this.#publisher.fail(this.#guard.error("unknown")); // whom a full disk kept waiting
    }
  }

  /** Closes the files, whatever state they are in. */
  async #abandon(): Promise<void> {
    for (const close of [
      () => this.#pager.close(),
      () => this.#wal.close(),
      () => this.#lock.release(),
    ]) {
      try {
        await close();
      } catch (error) {
        const message = "a file of the store could not be closed";
        this.#environment.trace.event("warn", "txn.store", message, { error: String(error) });
      }
    }
  }

  #afterBatch(batch: Uint8Array, version: Timestamp): void {
    this.#janitor.note(batch, version);
    this.#schedule.noteLog();
  }

  async #readLater(
    tree: TreeState,
    key: Uint8Array,
    options: ReadOptions,
  ): Promise<VersionedValue | undefined> {
    const snapshot = this.#hold(options);
    try {
      return await this.#reader.read(tree, key, snapshot.timestamp).catch(tellClosed);
    } finally {
      snapshot.close();
    }
  }

  #horizon(): Timestamp {
    return Math.min(this.#snapshots.oldest ?? Infinity, this.publishedTs);
  }

  #treeToRead(key: Uint8Array, options: ReadOptions): TreeState {
    this.#requireOpen();
    options.snapshot?.requireOpen();
    checkKeySize(key.length);
    return this.#forest.treeOfUsers(options.tree ?? MAIN_TREE).state;
  }

  #timestampOf(options: ReadOptions): Timestamp {
    return options.snapshot?.timestamp ?? this.#publisher.publishedTs;
  }

  /** A snapshot of this read's own, at the timestamp of the one given, if any. */
  #hold(options: ReadOptions): Snapshot {
    if (options.snapshot !== undefined) return options.snapshot.share();
    return this.#snapshots.open(this.#publisher.publishedTs);
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}

const NO_KEY = new Uint8Array(0);

/** A read that the end of the store cut short. */
function tellClosed(error: unknown): never {
  throw isKvsError(error, "PAGER_CLOSED") ? closedError() : error;
}
