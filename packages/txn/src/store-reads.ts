import { isKvsError } from "@kvs/env";
import { type TreeState, type ValuePacking } from "@kvs/btree";
import { PageMiss, type Pager } from "@kvs/pager";
import { MAIN_TREE, checkKeySize } from "./batch-format.ts";
import { type EntryBatch } from "./entry-batch.ts";
import { type Forest } from "./forest.ts";
import { type Publisher } from "./publisher.ts";
import { RowReader, type VersionedValue } from "./row-reader.ts";
import { Scan, type ScanRange } from "./scan.ts";
import { type Snapshot, SnapshotRegistry } from "./snapshots.ts";
import { type Timestamp } from "./timestamp.ts";
import { closedError } from "./txn-error.ts";

/** Where to read. */
export interface ReadOptions {
  /** The number of the tree; default `MAIN_TREE`. */
  readonly tree?: number;
  /** As of when; default: the newest published batch. */
  readonly snapshot?: Snapshot;
}

export interface ScanOptions extends ScanRange, ReadOptions {}

export interface StoreReadsParts {
  readonly pager: Pager;
  readonly forest: Forest;
  readonly publisher: Publisher;
  /** What restores compressed values. */
  readonly packing: ValuePacking;
  /** @throws {KvsError} `TXN_CLOSED`. */
  readonly requireOpen: () => void;
}

/** The reading half of a store: single rows and ranges, as of the newest batch or a snapshot. */
export class StoreReads {
  readonly #pager: Pager;
  readonly #forest: Forest;
  readonly #publisher: Publisher;
  readonly #packing: ValuePacking;
  readonly #requireOpen: () => void;
  readonly #reader: RowReader;
  readonly snapshots: SnapshotRegistry = new SnapshotRegistry();

  constructor(parts: StoreReadsParts) {
    this.#pager = parts.pager;
    this.#forest = parts.forest;
    this.#publisher = parts.publisher;
    this.#requireOpen = parts.requireOpen;
    this.#packing = parts.packing;
    this.#reader = new RowReader(parts.pager, parts.packing);
  }

  /** No reader, now or later, reads below it. */
  get horizon(): Timestamp {
    return Math.min(this.snapshots.oldest ?? Infinity, this.#publisher.publishedTs);
  }

  /** Whether a reader, now or later, may read at a timestamp in [from, below). */
  isSeen(from: Timestamp, below: Timestamp): boolean {
    return below > this.#publisher.publishedTs || this.snapshots.hasBetween(from, below);
  }

  /** See `Store.read`. */
  read(
    key: Uint8Array,
    options: ReadOptions,
  ): VersionedValue | undefined | Promise<VersionedValue | undefined> {
    const tree = this.#treeToRead(key, options);
    try {
      return this.#reader.readResident(tree, key, this.#timestampOf(options));
    } catch (error) {
      if (!(error instanceof PageMiss)) throw error;
    }
    return this.#readLater(tree, key, options);
  }

  /** See `Store.getSync`. */
  getSync(key: Uint8Array, options: ReadOptions): Uint8Array | undefined {
    const tree = this.#treeToRead(key, options);
    const timestamp = this.#timestampOf(options);
    try {
      return this.#reader.readResident(tree, key, timestamp)?.value;
    } catch (error) {
      if (!(error instanceof PageMiss)) throw error;
    }
    return this.#reader.readSync(tree, key, timestamp)?.value;
  }

  /** See `Store.getView`. */
  getView(key: Uint8Array, options: ReadOptions): Uint8Array | undefined {
    const tree = this.#treeToRead(key, options);
    const timestamp = this.#timestampOf(options);
    try {
      return this.#reader.viewResident(tree, key, timestamp);
    } catch (error) {
      if (!(error instanceof PageMiss)) throw error;
    }
    return this.#reader.readSync(tree, key, timestamp)?.value;
  }

  /** See `Store.scanBatches`. */
  async *scanBatches(options: ScanOptions): AsyncGenerator<EntryBatch, void, undefined> {
    const { gt, gte, lt, lte } = options;
    for (const bound of [gt, gte, lt, lte]) checkKeySize(bound?.length ?? 0);
    const tree = this.#treeToRead(NO_KEY, options);
    const snapshot = this.#hold(options);
    try {
      const source = { pager: this.#pager, tree, packing: this.#packing };
      const scan = new Scan(source, options, snapshot.timestamp);
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
    return this.snapshots.open(this.#publisher.publishedTs);
  }
}

const NO_KEY = new Uint8Array(0);

/** A read that the end of the store cut short. */
function tellClosed(error: unknown): never {
  throw isKvsError(error, "PAGER_CLOSED") ? closedError() : error;
}
