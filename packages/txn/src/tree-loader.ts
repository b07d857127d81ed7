import {
  BulkLoad,
  Cursor,
  type MapEntry,
  NEWEST_VERSION,
  OverflowWriter,
  Probe,
  type ValuePacking,
  loadRows,
} from "@kvs/btree";
import { TurnBudget, assert } from "@kvs/env";
import { abandonBatch } from "./abandon-batch.ts";
import { attemptMini } from "./attempt-mini.ts";
import { checkSizes } from "./batch-format.ts";
import { type BatchSpace } from "./batch-space.ts";
import { type TreeHandle } from "./forest.ts";
import { rootLevelOf } from "./root-level.ts";
import { type Timestamp } from "./timestamp.ts";
import { type TreeMakerParts } from "./tree-maker.ts";
import { txnError, withoutEffect } from "./txn-error.ts";

/** What one run of full pages asks of the log: 32 pages of 4 KB. */
const RUN_BYTES: number = 64 << 10;

export interface TreeLoaderParts extends TreeMakerParts {
  readonly space: BatchSpace;
  readonly packing: ValuePacking | undefined;
}

/** What a load did. */
export interface LoadResult {
  /** The timestamp under which all rows are visible from now on. */
  readonly version: Timestamp;
  readonly count: number;
}

/**
 * Loads rows into an empty tree, from the leaves up. It is one batch: records that fill new pages, and
 * a last one that makes the top page the root and commits. A crash before gives the pages back.
 */
export class TreeLoader {
  readonly #parts: TreeLoaderParts;
  readonly #budget: TurnBudget;
  /** Steps of the load under way. */
  #steps = 0;

  constructor(parts: TreeLoaderParts) {
    this.#parts = parts;
    this.#budget = new TurnBudget(parts.clock);
  }

  async load(
    tree: TreeHandle,
    entries: Iterable<MapEntry> | AsyncIterable<MapEntry>,
  ): Promise<LoadResult> {
    const { count, published } = await this.#parts.queue.exclusive(() => this.#load(tree, entries));
    return { count, version: await published };
  }

  async #load(
    tree: TreeHandle,
    entries: Iterable<MapEntry> | AsyncIterable<MapEntry>,
  ): Promise<{ readonly count: number; readonly published: Promise<Timestamp> }> {
    const { mini, time, packing } = this.#parts;
    let published: Promise<Timestamp> | undefined;
    this.#steps = 0;
    try {
      await this.#makeEmpty(tree);
      const timestamp = time.next();
      mini.beginBatch(timestamp);
      const count = await loadRows(entries, {
        bulk: new BulkLoad(tree.state, mini, timestamp),
        overflow: new OverflowWriter(mini, packing),
        run: (step) => this.#run(step),
        checkEntry: ({ key, value }) => checkSizes(key.length, value.length),
        runRoot: (step) =>
          this.#run(() => {
            mini.owner.isWhole = true; // this record commits
            step();
            published = this.#publish(timestamp);
          }),
      });
      assert(published !== undefined, "the last step of a load commits it");
      return { count, published };
    } catch (error) {
      await abandonBatch(this.#parts);
      throw withoutEffect(error);
    }
  }

  /** In the turn of the commit: nothing can fail, nor become durable, in between. */
  #publish(timestamp: Timestamp): Promise<Timestamp> {
    const { mini, wal, logSync, publisher } = this.#parts;
    mini.endBatch();
    logSync.request();
    return publisher.add(timestamp, wal.endLsn);
  }

  async #run<Result>(step: () => Result): Promise<Result> {
    const { space } = this.#parts;
    const rows = ++this.#steps; // to take it back takes log for each of them
    await space.makeForSlice({ batchBytes: RUN_BYTES, rows, isUrgent: false });
    await this.#budget.wait();
    return attemptMini(this.#parts, step);
  }

  /** Sees that there are no rows, and that the root is the only page: undo leaves empty leaves. */
  async #makeEmpty({ state, writer }: TreeHandle): Promise<void> {
    const { pager } = this.#parts;
    const start = new Probe().set(new Uint8Array(0), 0, NEWEST_VERSION);
    const cursor = new Cursor(state, pager);
    cursor.place(start);
    if (await pager.attempt(() => cursor.next())) throw notEmpty();
    while ((await rootLevelOf(state, pager)) > 0) {
      const before = state.structureVersion;
      writer.begin(start);
      while (!(await this.#run(() => writer.vacuum(0))));
      if (state.structureVersion === before) throw notEmpty();
    }
  }
}

function notEmpty(): Error {
  const message =
    "only a tree without rows is loaded, and this one has some, or had some a moment ago; " +
    "write in batches, or load into another tree";
  return txnError("TXN_TREE_NOT_EMPTY", message);
}
