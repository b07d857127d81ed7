import { assert, isKvsError } from "@kvs/env";
import { NO_PAGE, PAGE_BYTES, type PageId, PageView, type Run } from "@kvs/pager";
import { Fence, commonPrefix } from "./fence.ts";
import { OverflowReader, RunList } from "./overflow-reader.ts";
import { readOverflow } from "./overflow-value.ts";
import { type Position, checkPage, comparePositions, positionsOf } from "./page-check.ts";
import { type PageReader } from "./page-writer.ts";
import {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  PREFIX_OFFSET,
  cellValueAt,
  cellValueLength,
  childAt,
  entryCount,
  entryInfo,
  nextPage,
  pageLevel,
  prefixLength,
  treeIdOf,
  usedBytes,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/**
 * Runs a piece of synchronous code again and again until no page is missing any more: `attempt` of
 * a pager.
 */
export type Attempt = <Result>(body: () => Result) => Promise<Result>;

/**
 * What is wrong with a tree.
 *
 * - `unreadable`: the page could not be read.
 * - `page`: its bytes break a rule; see `checkPage`.
 * - `place`: it is of another tree or level, or is reached twice.
 * - `fence`: an entry is outside the separators around its page.
 * - `prefix`: the page's prefix is not what those separators have in common.
 * - `next`: it does not link to the page that follows on its level.
 * - `value`: a long value cannot be read.
 */
export type TreeFault = "unreadable" | "page" | "place" | "fence" | "prefix" | "next" | "value";

/** One thing that is wrong, and where. */
export interface TreeFinding {
  readonly type: TreeFault;
  readonly page: PageId;
  readonly message: string;
}

/** What a walk over a whole tree saw. */
export interface TreeReport {
  /** Empty if the tree is sound; at most `FINDINGS_MAX`. */
  readonly findings: readonly TreeFinding[];
  /** Every leaf and interior page, each parent before its children. */
  readonly pages: readonly PageId[];
  /** Every run of overflow pages that a row owns. */
  readonly runs: readonly Run<PageId>[];
  readonly rows: number;
  readonly leaves: number;
  /** Levels of the tree; 1 if the root is a leaf. */
  readonly levels: number;
  /** Bytes that entries and cells of leaves take: their share of `leaves` pages is the fill. */
  readonly leafBytes: number;
}

/** Findings after which a check stops looking for more. */
export const FINDINGS_MAX = 1000;

/**
 * Reads every page of a tree and every long value, and reports what breaks a rule. The tree must not
 * change meanwhile. Memory: a few bytes a page, and one page a level.
 *
 * @throws what `attempt` throws, but for pages that cannot be read: those are findings.
 */
export async function checkTree(
  tree: TreeState,
  pages: PageReader,
  attempt: Attempt,
): Promise<TreeReport> {
  const check = new TreeCheck(tree, pages, attempt);
  return check.run();
}

/** A page that is to be visited, and what its parent says of it. */
interface Visit {
  readonly id: PageId;
  /** -1 for the root, whose level nobody knows. */
  readonly level: number;
  readonly low: Fence;
  readonly high: Fence;
}

class TreeCheck {
  readonly #tree: TreeState;
  readonly #pages: PageReader;
  readonly #attempt: Attempt;
  readonly #findings: TreeFinding[] = [];
  readonly #reached: PageId[] = [];
  readonly #seen = new Set<PageId>();
  readonly #runs: Run<PageId>[] = [];
  /** By level: the page visited last, and the one that it says comes next. */
  readonly #last = new Map<number, { readonly id: PageId; readonly next: PageId }>();
  #rows = 0;
  #leaves = 0;
  #levels = 0;
  #leafBytes = 0;

  constructor(tree: TreeState, pages: PageReader, attempt: Attempt) {
    this.#tree = tree;
    this.#pages = pages;
    this.#attempt = attempt;
  }

  async run(): Promise<TreeReport> {
    const { structureVersion, changeVersion } = this.#tree;
    const stack: Visit[] = [
      { id: this.#tree.rootId, level: -1, low: new Fence(), high: new Fence() },
    ];
    for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
      if (this.#findings.length >= FINDINGS_MAX) break;
      const page = await this.#read(visit.id);
      if (page !== undefined && this.#place(visit, page)) await this.#visit(visit, page, stack);
      else this.#loseBelow(visit.level);
    }
    for (const { id, next } of this.#last.values()) {
      if (next !== NO_PAGE) this.#find("next", id, `the last of its level links to ${next}`);
    }
    const isStill =
      structureVersion === this.#tree.structureVersion &&
      changeVersion === this.#tree.changeVersion;
    assert(isStill, "a tree does not change while it is checked");
    return {
      findings: this.#findings,
      pages: this.#reached,
      runs: this.#runs,
      rows: this.#rows,
      leaves: this.#leaves,
      levels: this.#levels,
      leafBytes: this.#leafBytes,
    };
  }

  /** What follows the pages seen so far is not known: a page of this level was left out. */
  #loseBelow(level: number): void {
    for (let below = 0; below <= level; below++) this.#last.delete(below);
  }

  #find(type: TreeFault, page: PageId, message: string): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push({ type, page, message });
  }

  /** A copy of the page, so that nothing is held while others are read. */
  async #read(id: PageId): Promise<PageView | undefined> {
    const copy = PageView.of(new Uint8Array(PAGE_BYTES));
    const view = new PageView();
    try {
      await this.#attempt(() => {
        this.#pages.fetch(id, view);
        copy.u8.set(view.u8.subarray(view.base, view.base + PAGE_BYTES));
      });
      return copy;
    } catch (error) {
      if (!isKvsError(error, "PAGER_CORRUPT_PAGE")) throw error;
      this.#find("unreadable", id, error.message);
      return undefined;
    }
  }

  /** Whether the page can be looked into. */
  #place(visit: Visit, page: PageView): boolean {
    const { id } = visit;
    if (!this.#reach(id)) return false;
    const faults = checkPage(page);
    for (const fault of faults) this.#find("page", id, fault);
    if (faults.length > 0) return false;
    if (treeIdOf(page) !== this.#tree.treeId) {
      this.#find("place", id, `it is of tree ${treeIdOf(page)}`);
      return false;
    }
    const level = pageLevel(page);
    if (visit.level < 0) this.#levels = level + 1;
    else if (visit.level !== level) {
      this.#find("place", id, `its level is ${level}, its parent's ${visit.level + 1}`);
      return false;
    }
    this.#reached.push(id);
    return true;
  }

  #reach(id: PageId): boolean {
    if (this.#seen.has(id)) {
      this.#find("place", id, "it is reached twice");
      return false;
    }
    this.#seen.add(id);
    return true;
  }

  async #visit(visit: Visit, page: PageView, stack: Visit[]): Promise<void> {
    this.#checkNext(visit.id, page);
    this.#checkPrefix(visit, page);
    const positions = positionsOf(page);
    this.#checkFences(visit, positions);
    if (pageLevel(page) === 0) {
      this.#leaves++;
      this.#rows += positions.length;
      this.#leafBytes += usedBytes(page);
      await this.#checkValues(visit.id, page);
      return;
    }
    const fences = [visit.low, ...positions.map(fenceAt), visit.high];
    for (let slot = positions.length - 1; slot >= -1; slot--) {
      const low = fences[slot + 1]!;
      const high = fences[slot + 2]!;
      stack.push({ id: childAt(page, slot), level: pageLevel(page) - 1, low, high });
    }
  }

  #checkNext(id: PageId, page: PageView): void {
    const level = pageLevel(page);
    const last = this.#last.get(level);
    if (last !== undefined && last.next !== id) {
      this.#find("next", last.id, `it links to ${last.next}, but ${id} follows`);
    }
    this.#last.set(level, { id, next: nextPage(page) });
  }

  #checkPrefix(visit: Visit, page: PageView): void {
    const { id, low, high } = visit;
    const length = prefixLength(page);
    const common = commonPrefix(low, high);
    if (length !== common) {
      this.#find("prefix", id, `its prefix has ${length} bytes, its fences share ${common}`);
    }
    for (let at = 0; at < Math.min(length, common); at++) {
      if (page.u8[PREFIX_OFFSET + at] === low.bytes[at]) continue;
      this.#find("prefix", id, `byte ${at} of its prefix is not that of its fences`);
      return;
    }
  }

  #checkFences(visit: Visit, positions: readonly Position[]): void {
    const first = positions[0];
    const last = positions.at(-1);
    if (first === undefined || last === undefined) return;
    const { id, low, high } = visit;
    if (low.isFinite && comparePositions(first, positionOf(low)) < 0) {
      this.#find("fence", id, "its first entry is before the separator on its left");
    }
    if (high.isFinite && comparePositions(last, positionOf(high)) >= 0) {
      this.#find("fence", id, "its last entry is not before the separator on its right");
    }
  }

  async #checkValues(id: PageId, page: PageView): Promise<void> {
    for (let slot = 0; slot < entryCount(page); slot++) {
      const info = entryInfo(page, slot);
      if ((info & INFO_OVERFLOW) === 0) continue;
      const from = cellValueAt(page, slot);
      const value = readOverflow(page.u8, from, from + cellValueLength(page, slot));
      try {
        const list = new RunList(this.#pages, value);
        const runs = await this.#attempt(() => list.read());
        this.#reachRuns(id, runs.slice(value.freedRuns));
        if (value.listedRuns > 0) this.#reachRuns(id, value.runs);
        if ((info & INFO_TOMBSTONE) !== 0) continue;
        const reader = new OverflowReader(this.#pages, value, undefined);
        await this.#attempt(() => reader.readStored());
      } catch (error) {
        if (!isKvsError(error, "PAGER_CORRUPT_PAGE", "BTREE_DAMAGED_VALUE")) throw error;
        this.#find("value", id, `entry ${slot}: ${error.message}`);
      }
    }
  }

  #reachRuns(owner: PageId, runs: readonly Run<PageId>[]): void {
    for (const run of runs) {
      this.#runs.push(run);
      for (let page = 0; page < run.count; page++) {
        if (this.#reach((run.first + page) as PageId)) continue;
        this.#find("value", owner, `it shares page ${run.first + page} with another`);
      }
    }
  }
}

function fenceAt(position: Position): Fence {
  const fence = new Fence();
  fence.set(position.key, position.key.length, position.version);
  return fence;
}

function positionOf(fence: Fence): Position {
  return { key: fence.bytes.subarray(0, fence.length), version: fence.version };
}
