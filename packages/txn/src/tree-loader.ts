import {
  BulkLoad,
  Cursor,
  type MapEntry,
  OverflowWriter,
  Probe,
  type ValuePacking,
  loadRows,
} from "@kvs/btree";
import { TurnBudget } from "@kvs/env";
import { abandonBatch } from "./abandon-batch.ts";
import { checkSizes } from "./batch-format.ts";
import { type BatchSpace } from "./batch-space.ts";
import { type TreeHandle } from "./forest.ts";
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

  constructor(parts: TreeLoaderParts) {
    this.#parts = parts;
    this.#budget = new TurnBudget(parts.clock);
  }

  async load(
    tree: TreeHandle,
    entries: Iterable<MapEntry> | AsyncIterable<MapEntry>,
  ): Promise<LoadResult> {
    const { count, published } = await this.#parts.queue.exclusive(async () => {
      await this.#requireEmpty(tree);
      return this.#load(tree, entries);
    });
    return { count, version: await published };
  }

  async #load(
    tree: TreeHandle,
    entries: Iterable<MapEntry> | AsyncIterable<MapEntry>,
  ): Promise<{ readonly count: number; readonly published: Promise<Timestamp> }> {
    const { mini, guard, wal, logSync, time, publisher, packing } = this.#parts;
    const timestamp = time.next();
    mini.beginBatch(timestamp);
    try {
      const count = await loadRows(entries, {
        bulk: new BulkLoad(tree.state, mini, timestamp),
        overflow: new OverflowWriter(mini, packing),
        run: (step) => this.#run(step),
        checkEntry: ({ key, value }) => checkSizes(key.length, value.length),
        beforeRoot: () => {
          mini.owner.isWhole = true; // this record commits
        },
      });
      guard.requireSound();
      mini.endBatch();
      logSync.request();
      return { count, published: publisher.add(timestamp, wal.endLsn) };
    } catch (error) {
      await abandonBatch(this.#parts);
      throw withoutEffect(error);
    }
  }

  async #run<Result>(step: () => Result): Promise<Result> {
    const { pager, mini, guard, space } = this.#parts;
    await space.makeForSlice({ batchBytes: RUN_BYTES, rows: 1, isUrgent: false });
    await this.#budget.wait();
    return pager.attempt(() =>
      guard.run(() => {
        mini.startAttempt();
        return step();
      }),
    );
  }

  async #requireEmpty({ state }: TreeHandle): Promise<void> {
    const { pager } = this.#parts;
    const cursor = new Cursor(state, pager);
    cursor.place(new Probe().set(new Uint8Array(0), 0, Number.MAX_SAFE_INTEGER));
    if (!(await pager.attempt(() => cursor.next()))) return;
    const message =
      "only a tree without rows is loaded, and this one has some, or had some a moment ago; " +
      "write in batches, or load into another tree";
    throw txnError("TXN_TREE_NOT_EMPTY", message);
  }
}
