import { ByteWriter, utf8Length } from "@kvs/codec";
import { type Clock, assert } from "@kvs/env";
import { Probe } from "@kvs/btree";
import { type PageId, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { abandonBatch } from "./abandon-batch.ts";
import { attemptMini, repeatUntilDone } from "./attempt-mini.ts";
import { type BatchQueue } from "./batch-queue.ts";
import { type Checkpointer } from "./checkpoint.ts";
import { RECORD_COMMIT } from "./engine-record.ts";
import { CATALOG_TREE, type Forest, type TreeEntry, encodeTreeEntry } from "./forest.ts";
import { type LiveUndo } from "./live-undo.ts";
import { type LogSync } from "./log-sync.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { mainTreeEntry, makeRoot } from "./open-store.ts";
import { type Publisher } from "./publisher.ts";
import { type TimestampSource, type Timestamp } from "./timestamp.ts";
import { withoutEffect } from "./txn-error.ts";

/** The longest name of a tree, in UTF-8. */
const NAME_BYTES_MAX = 256;
/** What making a tree writes, counted as a batch: a row with its name. */
const TREE_BYTES_MAX = 2 * NAME_BYTES_MAX;

export interface TreeMakerParts {
  readonly clock: Clock;
  readonly forest: Forest;
  readonly pager: Pager;
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
  readonly wal: Wal;
  readonly queue: BatchQueue;
  readonly time: TimestampSource;
  readonly publisher: Publisher;
  readonly logSync: LogSync;
  readonly liveUndo: LiveUndo;
}

/**
 * Makes trees. A new tree is a batch of two mini-transactions, its root page and its row in the
 * catalog, and a COMMIT; a crash in between takes both back.
 */
export class TreeMaker {
  readonly #parts: TreeMakerParts;
  readonly #opening = new Map<string, Promise<number>>();

  constructor(parts: TreeMakerParts) {
    this.#parts = parts;
  }

  /** The number of the tree with this name; makes it if there is none. Durable when answered. */
  open(name: string): Promise<number> {
    const bytes = utf8Length(name);
    assert(bytes >= 1 && bytes <= NAME_BYTES_MAX, "a tree's name has 1 to 256 bytes");
    const known = this.#parts.forest.names().get(name);
    if (known !== undefined && !this.#opening.has(name)) return Promise.resolve(known);
    const under = this.#opening.get(name);
    if (under !== undefined) return under;
    const opening = this.#make(name).finally(() => this.#opening.delete(name));
    this.#opening.set(name, opening);
    return opening;
  }

  /** Makes the catalog and the main tree of a new store; then its header may name the catalog. */
  async makeFirst(checkpointer: Checkpointer): Promise<void> {
    const { forest, queue } = this.#parts;
    const isPublished = await queue.exclusive(async () => {
      const catalogRoot = await this.#makeRoot(CATALOG_TREE, false);
      forest.add(CATALOG_TREE, catalogRoot);
      checkpointer.setCatalogRoot(catalogRoot);
      return this.#makeTree((rootId) => mainTreeEntry(rootId), forest.nextTreeId);
    });
    await isPublished.done;
  }

  async #make(name: string): Promise<number> {
    const { forest, queue } = this.#parts;
    const published = await queue.exclusive(async () => {
      await queue.makeRoom({ batchBytes: TREE_BYTES_MAX, rows: 1, isUrgent: false });
      const treeId = forest.nextTreeId;
      const isPublished = await this.#makeTree((rootId) => ({ name, treeId, rootId }), treeId);
      return { treeId, isPublished };
    });
    await published.isPublished.done;
    return published.treeId;
  }

  async #makeTree(
    entryOf: (rootId: PageId) => TreeEntry,
    treeId: number,
  ): Promise<{ readonly done: Promise<Timestamp> }> {
    const { forest, mini, guard, wal, logSync, time, publisher } = this.#parts;
    const timestamp = time.next();
    mini.beginBatch(timestamp);
    try {
      const entry = entryOf(await this.#makeRoot(treeId, true));
      const { key, value } = encodeTreeEntry(entry);
      Object.assign(mini.owner, { tree: CATALOG_TREE, key, keyFrom: 0, keyTo: key.length });
      const { writer } = forest.tree(CATALOG_TREE);
      writer.begin(new Probe().set(key, key.length, timestamp));
      const row = { flags: 0, bytes: value, from: 0, to: value.length };
      await repeatUntilDone(this.#parts, () => writer.insert(row, -1));
      guard.requireSound();
      const commit = new ByteWriter();
      commit.u64(timestamp);
      commit.u64(mini.lastBatchStart);
      const lsn = wal.append(RECORD_COMMIT, commit.view());
      mini.endBatch();
      forest.addNamed(entry);
      logSync.request();
      return { done: publisher.add(timestamp, lsn) };
    } catch (error) {
      await abandonBatch(this.#parts);
      throw withoutEffect(error);
    }
  }

  #makeRoot(treeId: number, isUndone: boolean): Promise<PageId> {
    return attemptMini(this.#parts, () => makeRoot(this.#parts.mini, treeId, isUndone));
  }
}
