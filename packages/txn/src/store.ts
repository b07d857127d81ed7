import { ByteWriter } from "@kvs/codec";
import { type MapEntry } from "@kvs/btree";
import { type Environment } from "@kvs/env";
import { BytePool } from "./byte-pool.ts";
import { MAIN_TREE, type Mutation, checkBatch, encodeBatch } from "./batch-format.ts";
import { type StoreFinding, checkStore } from "./check.ts";
import { type CommitPipe } from "./commit-pipe.ts";
import { type CompactionReport } from "./compactor.ts";
import { type EntryBatch } from "./entry-batch.ts";
import { CATALOG_TREE } from "./forest.ts";
import { type HotCopy, type HotCopyOptions, writeCopy } from "./hot-copy.ts";
import { type RotatedKeys } from "./key-ring-rotation.ts";
import { type KeyInfo } from "./key-ring.ts";
import { openEngine, requireStore } from "./open-store.ts";
import { type RecoveryReport } from "./recovery-progress.ts";
import { type ReplicatedWrites } from "./replicated-writes.ts";
import { type VersionedValue } from "./row-reader.ts";
import { type Entry } from "./scan.ts";
import { type Snapshot } from "./snapshots.ts";
import { type StoreOptions, resolveStoreOptions } from "./store-options.ts";
import { type StoreParts, assembleStore, closeFiles, endStore } from "./store-parts.ts";
import { type ReadOptions, type ScanOptions } from "./store-reads.ts";
import { type StoreStats, collectStats } from "./store-stats.ts";
import { type Timestamp } from "./timestamp.ts";
import { type LoadResult } from "./tree-loader.ts";
import { closedError } from "./txn-error.ts";

/**
 * A crash-safe, versioned store of byte keys: ordered trees over one page file, one log.
 *
 * 1. A batch is all or nothing, and durable when its promise resolves. Batches take effect in the
 *    order of the calls.
 * 2. A reader sees the batches that were published when it began, whole, and no others. It never
 *    waits for writers, nor they for it. Who has seen a batch answered sees it in later reads.
 * 3. A crash at any moment, recovery included, loses no answered batch and leaves none half done.
 * 4. A batch that meets an error half way, a damaged page or a full disk, is taken back at once, and
 *    the store goes on. What leaves memory in doubt, or a sync that failed, ends all writing
 *    (`TXN_POISONED`): close the store and open it again.
 *
 * Keys have at most 1,056 bytes, values 16 MiB, batches 64 MiB. How it works: ARCHITECTURE.md;
 * formats: docs/formats.
 */
export class Store implements CommitPipe, AsyncDisposable {
  readonly #parts: StoreParts;
  readonly #reads: StoreParts["reads"];
  readonly #encoder = new ByteWriter({ initialBytes: 4096 });
  readonly #copies = new BytePool();
  #closing: Promise<void> | undefined;

  private constructor(assemble: (requireOpen: () => void) => StoreParts) {
    this.#parts = assemble(() => this.#requireOpen());
    this.#reads = this.#parts.reads;
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
    const store = new Store((requireOpen) =>
      assembleStore(environment, engine, resolved, requireOpen),
    );
    await store.#begin();
    return store;
  }

  /**
   * Recovers a store and closes it: afterwards it opens at once. For after a crash, before a copy is
   * taken or a server started.
   *
   * @throws {KvsError} `TXN_NO_STORE`; `DISK_LOCKED`; as `open`.
   */
  static async recover(environment: Environment, options: StoreOptions): Promise<RecoveryReport> {
    await requireStore(environment, options.path);
    const startMs = environment.clock.monotonicMs();
    const store = await Store.open(environment, options);
    const { analysis, header } = store.#parts.engine;
    await store.close();
    const { applied, skipped, pages } = analysis.redone;
    return {
      wasClean: header.isClean,
      records: analysis.recordCount,
      bytes: analysis.logBytes,
      opsRedone: applied,
      opsSkipped: skipped,
      pages,
      undoneBatches: analysis.losers.length,
      publishedTimestamp: store.publishedTs,
      durationMs: environment.clock.monotonicMs() - startMs,
    };
  }

  /** Whether a failure ended all writing; reopening the store recovers it. */
  get isPoisoned(): boolean {
    return this.#parts.engine.guard.isPoisoned;
  }

  /** The newest batch that readers see. */
  get publishedTs(): Timestamp {
    return this.#parts.publisher.publishedTs;
  }

  /** The way in for batches of the log that a store with `isReplicated` follows. */
  get replicated(): ReplicatedWrites {
    return this.#parts.replicated;
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
    return this.#reads.read(key, options);
  }

  /** As `get`, but reads what is not in memory while the event loop stands still. */
  getSync(key: Uint8Array, options: ReadOptions = {}): Uint8Array | undefined {
    return this.#reads.getSync(key, options);
  }

  /**
   * As `getSync`, but the bytes are those in the page cache: read them at once, do not change them, and
   * take a copy of what you keep. They mean nothing after the next call of any method of this store, or
   * the end of this turn. For values within their page (up to some 1,000 bytes) nothing is copied.
   */
  getView(key: Uint8Array, options: ReadOptions = {}): Uint8Array | undefined {
    return this.#reads.getView(key, options);
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
    const { forest } = this.#parts.engine;
    for (const { tree = MAIN_TREE } of mutations) forest.treeOfUsers(tree);
    encodeBatch(this.#encoder, mutations);
    if (mutations.length === 0) return { version: this.#parts.publisher.publishedTs };
    const batch = this.#copies.copy(this.#encoder.buffer, 0, this.#encoder.position);
    const version = await this.#parts.queue.submit(batch);
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
    const { forest } = this.#parts.engine;
    checkBatch(batch, (tree) => forest.has(tree) && tree !== CATALOG_TREE);
    const version = await this.#parts.queue.submit(batch);
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
  scanBatches(options: ScanOptions = {}): AsyncGenerator<EntryBatch, void, undefined> {
    return this.#reads.scanBatches(options);
  }

  /** Opens a view of the store as it is now. Versions that it sees are kept until it is closed. */
  snapshot(): Snapshot {
    this.#requireOpen();
    return this.#reads.snapshots.open(this.#parts.publisher.publishedTs);
  }

  /** The number of the tree with this name, 1 to 256 bytes; makes it if there is none. */
  openTree(name: string): Promise<number> {
    this.#requireOpen();
    return this.#parts.treeMaker.open(name);
  }

  /** Names and numbers of the trees. */
  trees(): ReadonlyMap<string, number> {
    return this.#parts.engine.forest.names();
  }

  /**
   * Waits until every batch that was called for before is durable and visible, or has failed: for who
   * did not keep the promises.
   *
   * @throws {KvsError} `TXN_POISONED`, `WAL_DISK_FULL`, `WAL_SYNC_FAILED`: some are not durable, and
   *   nobody knows whether they will be.
   */
  async sync(): Promise<void> {
    this.#requireOpen();
    const { queue, publisher, engine } = this.#parts;
    await queue.drain();
    if (publisher.pendingCount > 0) await engine.wal.sync();
    engine.guard.requireSound();
  }

  /**
   * Makes recovery short: writes what changed to its place, and cuts the log. Readers and writers go
   * on meanwhile.
   */
  async checkpoint(): Promise<void> {
    this.#requireOpen();
    await this.#parts.checkpointer.run();
  }

  /**
   * Fills an empty tree from entries in ascending order of their keys: several times faster than
   * batches, and pages are nearly full. One batch: all or nothing. Writers of the whole store wait until
   * it is done, so a source that is slow holds them up; readers do not wait, and see nothing of it
   * before.
   *
   * @throws {KvsError} `TXN_TREE_NOT_EMPTY`, `BTREE_NOT_SORTED`; as `batch`. Nothing changed.
   */
  async load(
    entries: Iterable<MapEntry> | AsyncIterable<MapEntry>,
    tree: number = MAIN_TREE,
  ): Promise<LoadResult> {
    this.#requireOpen();
    return this.#parts.treeLoader.load(this.#parts.engine.forest.treeOfUsers(tree), entries);
  }

  /**
   * Makes the store as small as it can be while it goes on: what no reader needs is removed, leaves are
   * filled, pages move to the start of the file, and its end goes back to the file system. Long values
   * stay where they are.
   *
   * @throws {KvsError} as `checkpoint`; errors of reading pages. What was done until then stays.
   *
   * Cost: reads every leaf, and writes those that were half empty; in turns of a few milliseconds.
   */
  async compact(): Promise<CompactionReport> {
    this.#requireOpen();
    return this.#parts.compactor.run();
  }

  /**
   * Looks at every page: checksums, order, bounds, links, and that each page is in use exactly once
   * or free. Holds up writers, not readers.
   *
   * @returns What is wrong; empty if nothing is.
   */
  async check(): Promise<readonly StoreFinding[]> {
    this.#requireOpen();
    const { pager, forest } = this.#parts.engine;
    return this.#parts.queue.exclusive(() => checkStore(pager, forest));
  }

  /**
   * A copy of the store as it is now, or a little later, while it goes on: see {@link HotCopy}. The
   * log is kept until the copy was read to its end, or given up, or the store is closed.
   */
  hotCopy(options: HotCopyOptions = {}): HotCopy {
    this.#requireOpen();
    return this.#parts.custody.hotCopy(options);
  }

  /**
   * Writes a copy of the store into a file, durably. The file has its name when it is whole.
   *
   * @returns Its length in bytes.
   * @throws {KvsError} `DISK_EXISTS`; as `hotCopy`.
   */
  async copyTo(path: string, options: HotCopyOptions = {}): Promise<number> {
    return writeCopy(this.#parts.environment, this.hotCopy(options), path);
  }

  /** The store's data keys, oldest first; empty if it is plain. */
  keys(): readonly KeyInfo[] {
    return this.#parts.custody.keys();
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
    return this.#parts.custody.rotateKeys();
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
    return this.#parts.custody.rewrapKeys();
  }

  stats(): StoreStats {
    return collectStats(this.#parts);
  }

  /**
   * Waits for the batches that were called for, makes a last checkpoint and closes the files. A
   * second call waits for the first.
   *
   * @throws {KvsError} if the last checkpoint failed; the store is closed all the same, and the next
   *   open recovers it.
   */
  close(): Promise<void> {
    this.#closing ??= endStore(this.#parts);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(): Promise<void> {
    const { engine, treeMaker, checkpointer, custody, janitor, schedule } = this.#parts;
    const isRecovered = !engine.isNew && !engine.header.isClean;
    try {
      if (engine.isNew) {
        await treeMaker.makeFirst(checkpointer);
        await checkpointer.run(); // twice: no copy of the header says "new" any more
        await custody.noteCreated(); // nor is one of them plain
      }
      // A header that says "clean" must not stand while pages change; of a crashed store it does not.
      if (!isRecovered) await checkpointer.run();
    } catch (error) {
      await closeFiles(this.#parts);
      throw error;
    }
    for (const { tree, key } of engine.undoneRows) janitor.noteUndone(tree, key);
    schedule.start();
    if (isRecovered) schedule.noteRecovered();
    custody.start();
  }

  #afterBatch(batch: Uint8Array, version: Timestamp): void {
    this.#parts.janitor.note(batch, version);
    this.#parts.schedule.noteLog();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}
