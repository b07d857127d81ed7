import { assert } from "@kvs/env";
import { NO_PAGE, PAGE_BYTES, type PageId, PageView, type Run } from "@kvs/pager";
import { type FillerEntry, PageFiller, newFillerEntry } from "./page-filler.ts";
import { type PageWriter } from "./page-writer.ts";
import { type RowValue } from "./row.ts";
import { LEVEL_MAX, entryCount, pageLevel, setNextPage } from "./tree-page.ts";
import { writePageAs } from "./write-page-as.ts";
import { type TreeState } from "./tree-state.ts";

/** Full pages gathered before they are written as one run: 128 KiB. */
const RUN_PAGES = 32;
const TWO_32 = 0x1_0000_0000;

/**
 * Fills an empty tree from rows that come in order, from the leaves up: each page is written once,
 * nearly full, and nothing is searched. The tree stays empty until the last step, which makes what is on top
 * its root; before that the new pages belong to nobody, and whoever drives this gives them back if it
 * stops.
 *
 * Use: `add` rows; whenever it returns true, call `step` until that returns false; after the last row
 * `close`, `step` until false, then `writeRoot`. `step` and `writeRoot` may throw `PageMiss` before
 * they changed anything: provide the page and call again. Each is at most one mini-transaction.
 *
 * Cost: a row is copied twice, then its page once into the log. Memory: `RUN_PAGES` pages a level.
 */
export class BulkLoad {
  readonly #tree: TreeState;
  readonly #writer: PageWriter;
  readonly #row: FillerEntry = newFillerEntry();
  readonly #separator: FillerEntry = newFillerEntry();
  readonly #spare: FillerEntry = newFillerEntry();
  readonly #levels: Level[] = [];
  readonly #view = new PageView();
  readonly #beforeView = new PageView();
  #isClosed = false;
  /** What becomes the root. */
  #rootPage: PageView | undefined = undefined;

  /** @param version Of all rows. */
  constructor(tree: TreeState, writer: PageWriter, version: number) {
    this.#tree = tree;
    this.#writer = writer;
    for (const entry of [this.#row, this.#spare]) {
      entry.versionHigh = Math.floor(version / TWO_32);
      entry.versionLow = version >>> 0;
    }
    this.#levels.push(new Level(0, tree.treeId));
    this.#levels[0]!.filler.begin(undefined, NO_PAGE);
  }

  /**
   * Adds a row, copied.
   *
   * @param key Greater than all before; its first `keyBytes` bytes.
   * @param value Its cell takes at most `LEAF_CELL_BYTES_MAX`.
   * @returns whether `step` is due.
   */
  add(key: Uint8Array, keyBytes: number, value: RowValue): boolean {
    assert(!this.#isClosed, "rows come before the end");
    const row = this.#row;
    row.key = key;
    row.keyBytes = keyBytes;
    row.flags = value.flags;
    row.tail = value.bytes;
    row.tailFrom = value.from;
    row.tailTo = value.to;
    this.#offer(this.#levels[0]!, row);
    return this.#levels[0]!.isDue;
  }

  /** No more rows come. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Writes one run of pages, if one is due.
   *
   * @returns whether another is.
   */
  step(): boolean {
    const level = this.#dueLevel();
    if (level === undefined) return false;
    this.#writeRun(level);
    return this.#dueLevel() !== undefined;
  }

  /**
   * Makes the top page the root: from here on the tree has all rows. Nothing takes this step back: it
   * is the last of its batch, and commits it.
   */
  writeRoot(): void {
    assert(this.#isClosed && this.#dueLevel() === undefined, "every other page is written");
    const top = this.#levels.at(-1)!;
    const page = (this.#rootPage ??= finishTop(top));
    const writer = this.#writer;
    const root = this.#view;
    const frame = writer.need(this.#tree.rootId, root);
    const isAlone = pageLevel(root) === 0 && entryCount(root) === 0;
    assert(isAlone, "the root of a tree to be loaded is its only page, and empty");
    writer.begin("pages");
    writePageAs(root, this.#tree.rootId, page);
    writer.image(frame);
    writer.end();
    this.#tree.structureVersion++;
    this.#tree.changeVersion++;
  }

  /** The lowest level with pages to write; closes levels, from below, once all rows are there. */
  #dueLevel(): Level | undefined {
    if (this.#rootPage !== undefined) return undefined; // the root was about to be written before
    for (const level of this.#levels) {
      if (level.isDue) return level;
      if (!this.#isClosed) continue;
      if (!level.isClosed && !this.#isRoot(level)) this.#closeLevel(level);
      if (level.pending.length > 0) return level;
    }
    return undefined;
  }

  /** Whether what is left of this level is all that there is, and fits one page. */
  #isRoot(level: Level): boolean {
    if (level !== this.#levels.at(-1) || level.pending.length > 0) return false;
    return !level.hasWritten && level.filler.fitsAsLast();
  }

  #closeLevel(level: Level): void {
    level.isClosed = true;
    if (!level.filler.fitsAsLast()) this.#endBeforeLast(level);
    this.#endPage(level, undefined);
  }

  /** Adds an entry to the page under way, or to the next one if it does not fit any more. */
  #offer(level: Level, entry: FillerEntry): void {
    const { filler } = level;
    if (filler.count > 0 && !filler.fitsBefore(entry.key, entry.keyBytes)) {
      this.#endBeforeLast(level);
    }
    filler.add(entry);
  }

  /** Ends the page under way before its last entry, and begins the next one with that. */
  #endBeforeLast(level: Level): void {
    const { filler } = level;
    const last = this.#spare;
    filler.takeLast(last);
    assert(filler.count > 0, "two entries always fit a page");
    const isLeaf = level.number === 0;
    const keep = isLeaf ? filler.commonWithLast(last.key, last.keyBytes) + 1 : last.keyBytes;
    const low = last.key.slice(0, keep);
    this.#endPage(level, low);
    filler.begin(low, isLeaf ? NO_PAGE : last.child);
    if (isLeaf) filler.add(last);
  }

  #endPage(level: Level, next: Uint8Array | undefined): void {
    const page = level.takePage();
    const { low } = level.filler;
    level.filler.finish(page, next);
    level.pending.push({ page, low });
  }

  /** Writes the first of a level's pages that are due, as many as fit a run, and links them. */
  #writeRun(level: Level): void {
    const writer = this.#writer;
    const { pending, lastId } = level;
    const run = writer.allocateRun(Math.min(pending.length, writer.runPagesMax));
    const beforeFrame = lastId === NO_PAGE ? -1 : writer.need(lastId, this.#beforeView);

    writer.begin("pages");
    if (lastId !== NO_PAGE) {
      setNextPage(this.#beforeView, run.first);
      writer.image(beforeFrame);
    }
    for (let index = 0; index < run.count; index++) {
      const id = (run.first + index) as PageId;
      const next = index + 1 < run.count ? ((id + 1) as PageId) : NO_PAGE;
      writer.create(id, this.#view);
      writePageAs(this.#view, id, pending[index]!.page);
      setNextPage(this.#view, next);
    }
    writer.end();
    level.lastId = (run.first + run.count - 1) as PageId;
    this.#tellParent(level, run);
  }

  /** Gives the level above a separator and child for each page that was written. */
  #tellParent(level: Level, run: Run<PageId>): void {
    const written = level.pending.splice(0, run.count);
    for (const [index, { page, low }] of written.entries()) {
      const child = (run.first + index) as PageId;
      level.giveBack(page);
      if (low === undefined) {
        const above = new Level(level.number + 1, this.#tree.treeId);
        assert(above.number <= LEVEL_MAX, "a tree is no higher than the number of pages makes it");
        above.filler.begin(undefined, child);
        this.#levels.push(above);
      } else {
        const separator = this.#separator;
        separator.key = low;
        separator.keyBytes = low.length;
        separator.child = child;
        this.#offer(this.#levels[level.number + 1]!, separator);
      }
    }
  }
}

/** A page that is full and waits for its number. */
interface PendingPage {
  readonly page: PageView;
  readonly low: Uint8Array | undefined;
}

/** The pages of one level, from left to right. */
class Level {
  readonly number: number;
  readonly filler: PageFiller;
  readonly pending: PendingPage[] = [];
  /** The page written last: its right sibling is still to come. */
  lastId: PageId = NO_PAGE;
  isClosed = false;
  readonly #free: PageView[] = [];

  constructor(number: number, treeId: number) {
    this.number = number;
    this.filler = new PageFiller(number, treeId);
  }

  get isDue(): boolean {
    return this.pending.length >= RUN_PAGES;
  }

  get hasWritten(): boolean {
    return this.lastId !== NO_PAGE;
  }

  takePage(): PageView {
    return this.#free.pop() ?? PageView.of(new Uint8Array(PAGE_BYTES));
  }

  giveBack(page: PageView): void {
    this.#free.push(page);
  }
}

function finishTop(top: Level): PageView {
  const page = top.takePage();
  top.filler.finish(page, undefined);
  return page;
}
