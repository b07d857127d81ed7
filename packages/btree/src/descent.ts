import { assert } from "@kvs/env";
import { type Frame, type PageId, PageView } from "@kvs/pager";
import { damagedPage } from "./btree-error.ts";
import { Fence } from "./fence.ts";
import { type PageReader } from "./page-writer.ts";
import { Probe } from "./probe.ts";
import { findChild, findChildBefore } from "./search.ts";
import {
  LEVEL_MAX,
  childAt,
  copyKey,
  entryCount,
  pageLevel,
  separatorVersion,
  treeIdOf,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/**
 * A way from the root to the page that a probe belongs to. It survives page misses: the next
 * attempt goes on where the last one stopped, unless a split or merge came between. So only one page
 * of the way needs to be resident at a time, however small the cache.
 */
export class Descent {
  readonly probe: Probe = new Probe();
  /** Fences of the page reached; followed only by `reachWithFences` and `reachBefore`. */
  readonly low: Fence = new Fence();
  readonly high: Fence = new Fence();
  /** The page reached; valid within the turn. */
  readonly view: PageView = new PageView();
  readonly #tree: TreeState;
  readonly #pages: PageReader;
  /** Page ids by level, from the root's down to `#level`. */
  readonly #path: Uint32Array = new Uint32Array(LEVEL_MAX + 1);
  readonly #key: Uint8Array;
  #structure = -1;
  #rootLevel = -1;
  /** Level of the page to look at next, -1 before the root was seen. */
  #level = -1;

  constructor(tree: TreeState, pages: PageReader) {
    this.#tree = tree;
    this.#pages = pages;
    this.#key = new Uint8Array(this.low.bytes.length);
  }

  /** Forgets the way. Call it after `probe` was set to another position, or for another kind of `reach`. */
  restart(): void {
    this.#structure = -1;
  }

  /**
   * Goes to the page of `level` that the probe belongs to, and points `view` at it.
   *
   * @param level 0 for the leaf; at most the root's.
   * @throws {PageMiss}; the next call goes on from there. {KvsError} `BTREE_DAMAGED_PAGE`.
   */
  reach(level: number): Frame {
    return this.#reach(level, false, false);
  }

  /** `reach`, which also follows the fences. */
  reachWithFences(level: number): Frame {
    return this.#reach(level, true, false);
  }

  /**
   * Goes to the page of `level` that holds the last entry before the probe, if that page is not empty:
   * look before the low fence then. Follows the fences. With the low fence of a page as probe, it is the
   * page on the left of that.
   */
  reachBefore(level: number = 0): Frame {
    return this.#reach(level, true, true);
  }

  /** The page on the way at `level`, which was passed or reached. */
  pageAt(level: number): PageId {
    assert(level <= this.#rootLevel && level >= this.#level, "the way passed this level");
    return this.#path[level]! as PageId;
  }

  /** The root's level, once the way has begun. */
  get rootLevel(): number {
    return this.#rootLevel;
  }

  /** Whether the pages of this level are the root alone, once the way has begun. */
  isRoot(level: number): boolean {
    return level === this.#rootLevel;
  }

  #reach(target: number, withFences: boolean, isBefore: boolean): Frame {
    if (this.#structure !== this.#tree.structureVersion) this.#begin();
    const { view } = this;
    for (;;) {
      const id = this.#level < 0 ? this.#tree.rootId : (this.#path[this.#level]! as PageId);
      const frame = this.#pages.fetch(id, view);
      const level = pageLevel(view);
      if (this.#level < 0 && level <= LEVEL_MAX) {
        this.#rootLevel = level;
        this.#path[level] = id;
        this.#level = level;
      }
      if (level !== this.#level) throw damagedPage(id, `its level is ${level}`);
      if (treeIdOf(view) !== this.#tree.treeId) throw damagedPage(id, "it is of another tree");
      if (level === target) return frame;
      assert(level > target, "a way goes down");
      const { probe } = this;
      const slot = isBefore ? findChildBefore(view, probe) : findChild(view, probe);
      if (withFences) this.#follow(slot);
      this.#path[level - 1] = childAt(view, slot);
      this.#level = level - 1;
    }
  }

  #begin(): void {
    this.#structure = this.#tree.structureVersion;
    this.#rootLevel = -1;
    this.#level = -1;
    this.low.clear();
    this.high.clear();
  }

  #follow(slot: number): void {
    if (slot >= 0) this.#take(this.low, slot);
    if (slot + 1 < entryCount(this.view)) this.#take(this.high, slot + 1);
  }

  #take(fence: Fence, slot: number): void {
    fence.set(this.#key, copyKey(this.view, slot, this.#key), separatorVersion(this.view, slot));
  }
}
