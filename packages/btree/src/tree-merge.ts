import { assert } from "@kvs/env";
import { type Frame, NO_PAGE, PAGE_BYTES, type PageId, PageView, pageIdOf } from "@kvs/pager";
import { Descent } from "./descent.ts";
import { Fence, commonPrefix } from "./fence.ts";
import { PageEditor, type TreePageShape } from "./page-editor.ts";
import { OP_REMOVE, writeOpHeader } from "./page-op.ts";
import { type PageReader, type PageWriter } from "./page-writer.ts";
import { type Probe } from "./probe.ts";
import { findChild } from "./search.ts";
import {
  BODY_BYTES,
  ENTRY_BYTES,
  HEAD_BYTES,
  INTERIOR_REST_OFFSET,
  TREE_KEY_BYTES_MAX,
  VERSION_BYTES,
  childAt,
  copyKey,
  entriesOffset,
  entryCount,
  firstChild,
  nextPage,
  pageLevel,
  prefixLength,
  usedBytes,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/** A page that uses less than this share looks for a sibling to merge with. */
const UNDERFULL_BYTES: number = BODY_BYTES >>> 2;
/** A merged page is left with room, so that it does not split again at once. */
const MERGED_BYTES_MAX: number = BODY_BYTES - (BODY_BYTES >>> 2);

/** Whether a page of this fill should look for a sibling to merge with. */
export function isUnderfull(page: PageView): boolean {
  return usedBytes(page) < UNDERFULL_BYTES;
}

/**
 * Merges a page with a sibling under the same parent, as a mini-transaction of its own. At most four
 * pages change: the parent, the two pages, and a bitmap page. The left page is rebuilt and logged as
 * an image, the right one is given back. Then the parent is looked at, and so on up.
 *
 * A root with a single child takes over the child's content, so that the tree becomes lower.
 *
 * A page that is an only child has no sibling: its parent is looked at first, and the page once more
 * if that changed anything.
 */
export class TreeMerge {
  readonly #tree: TreeState;
  readonly #writer: PageWriter;
  /** The way to the page that may be underfull. */
  readonly #look: Descent;
  /** The way to its parent, with fences. */
  readonly #descent: Descent;
  readonly #editor = new PageEditor();
  readonly #left = new PageView();
  readonly #right = new PageView();
  readonly #copy: PageView = PageView.of(new Uint8Array(PAGE_BYTES));
  readonly #key: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  readonly #low = new Fence();
  readonly #high = new Fence();
  #level = 0;
  #isDue = false;
  /** Whether the sibling on the right was looked at and is too full. */
  #triesLeft = false;
  /** Whether pages of this level were merged. */
  #hasMergedHere = false;
  /** Level of an only child to come back to, -1 if there is none. */
  #onlyChildLevel = -1;
  /** Whether anything was merged since that was noted. */
  #hasMerged = false;

  constructor(tree: TreeState, pages: PageReader, writer: PageWriter) {
    this.#tree = tree;
    this.#writer = writer;
    this.#look = new Descent(tree, pages);
    this.#descent = new Descent(tree, pages);
  }

  /** Begins with the page of `level` that this probe belongs to. */
  begin(probe: Probe, level: number): void {
    this.#onlyChildLevel = -1;
    this.#hasMerged = false;
    this.#aim(probe, level);
  }

  /**
   * Does the next merge, if one is due: of the page that `begin` named, then of its parent, and so
   * on up.
   *
   * @returns Whether it was the last.
   * @throws {PageMiss} before anything changed; call again.
   */
  step(): boolean {
    if (!this.#isDue) {
      this.#look.reach(this.#level);
      if (this.#look.isRoot(this.#level)) return this.#stepRoot();
      if (!isUnderfull(this.#look.view)) return this.#leave();
      this.#isDue = true;
    }
    const descent = this.#descent;
    const parentLevel = this.#level + 1;
    descent.reachWithFences(parentLevel);
    const frame = this.#writer.need(descent.pageAt(parentLevel), descent.view);
    const count = entryCount(descent.view);
    if (count === 0) return this.#leaveOnlyChild();
    const slot = findChild(descent.view, descent.probe);
    const isFirst = slot < 0;
    const isLast = slot + 1 === count;
    if (this.#merge(frame, this.#triesLeft || isLast ? slot : slot + 1)) return this.#lookAgain();
    if (this.#triesLeft || isFirst || isLast) return this.#leave();
    this.#triesLeft = true; // in an attempt of its own, so that no more pages are held
    return false;
  }

  #aim(probe: Probe, level: number): void {
    for (const descent of [this.#look, this.#descent]) {
      descent.probe.set(probe.bytes, probe.length, probe.version);
      descent.restart();
    }
    this.#level = level;
    this.#isDue = false;
    this.#triesLeft = false;
    this.#hasMergedHere = false;
  }

  /** The page has grown, but may still be underfull. */
  #lookAgain(): false {
    this.#aim(this.#descent.probe, this.#level);
    this.#hasMergedHere = true;
    return false;
  }

  /** Nothing more is due on this level. If anything was, the parent has a child less. */
  #leave(): boolean {
    return this.#hasMergedHere ? this.#goUp() : this.#finish();
  }

  #goUp(): false {
    this.#aim(this.#descent.probe, this.#level + 1);
    return false;
  }

  #leaveOnlyChild(): false {
    if (this.#onlyChildLevel < 0) {
      this.#onlyChildLevel = this.#level;
      this.#hasMerged = false;
    }
    return this.#goUp();
  }

  /** Nothing is due further up. An only child may have a sibling by now. */
  #finish(): boolean {
    if (this.#onlyChildLevel < 0 || !this.#hasMerged) return true;
    this.#aim(this.#descent.probe, this.#onlyChildLevel);
    this.#onlyChildLevel = -1;
    return false;
  }

  /** Merges the children left and right of the parent's separator at `rightSlot`, if they fit. */
  #merge(parentFrame: Frame, rightSlot: number): boolean {
    const writer = this.#writer;
    const parent = this.#descent.view;
    const leftId = childAt(parent, rightSlot - 1);
    const rightId = childAt(parent, rightSlot);
    const leftFrame = writer.need(leftId, this.#left);
    writer.need(rightId, this.#right);
    const prefix = this.#commonPrefix(parent, rightSlot);
    if (this.#mergedBytes(parent, rightSlot, prefix) > this.#roomForBoth()) return false;
    const freed = { first: rightId, count: 1 };
    writer.needBits(freed);

    writer.begin("none");
    this.#rebuildLeft(parent, rightSlot, prefix);
    writer.image(leftFrame);
    writeOpHeader(writer.ops, OP_REMOVE, pageIdOf(parent));
    writer.ops.u16(rightSlot);
    writer.ops.u16(1);
    writer.apply(parentFrame);
    writer.free(freed);
    this.#end();
    return true;
  }

  /** An empty page goes whenever it can; others leave room, so as not to be split again at once. */
  #roomForBoth(): number {
    const isEither = entryCount(this.#left) === 0 || entryCount(this.#right) === 0;
    return isEither ? BODY_BYTES : MERGED_BYTES_MAX;
  }

  /** Length of the prefix that the merged page's keys have in common. */
  #commonPrefix(parent: PageView, rightSlot: number): number {
    const { low, high } = this.#descent;
    this.#low.copyFrom(low);
    this.#high.copyFrom(high);
    if (rightSlot > 0) this.#low.set(this.#key, copyKey(parent, rightSlot - 1, this.#key));
    if (rightSlot + 1 < entryCount(parent)) {
      this.#high.set(this.#key, copyKey(parent, rightSlot + 1, this.#key));
    }
    return commonPrefix(this.#low, this.#high);
  }

  /** Upper bound of what the merged page uses of its body. */
  #mergedBytes(parent: PageView, rightSlot: number, prefix: number): number {
    let bytes = entriesOffset(prefix) - entriesOffset(0);
    for (const page of [this.#left, this.#right]) {
      bytes += usedBytes(page) + entryCount(page) * (prefixLength(page) - prefix);
    }
    if (pageLevel(this.#left) === 0) return bytes;
    const key = copyKey(parent, rightSlot, this.#key);
    return bytes + ENTRY_BYTES + INTERIOR_REST_OFFSET + VERSION_BYTES + HEAD_BYTES + key;
  }

  #rebuildLeft(parent: PageView, rightSlot: number, prefix: number): void {
    const left = this.#left;
    const right = this.#right;
    const copy = this.#copy;
    const editor = this.#editor;
    copy.u8.set(left.u8.subarray(left.base, left.base + PAGE_BYTES));
    const id = pageIdOf(copy);
    const level = pageLevel(copy);
    const shape = this.#shape(id, level, nextPage(right), firstChild(copy));
    editor.format(left, shape, this.#low.bytes.subarray(0, prefix));
    editor.appendFrom(left, copy, 0, entryCount(copy));
    if (level > 0) editor.appendSeparator(left, parent, rightSlot, firstChild(right));
    editor.appendFrom(left, right, 0, entryCount(right));
  }

  #stepRoot(): boolean {
    if (this.#level === 0) return true;
    return this.#lowerRoot() ? false : this.#finish();
  }

  /** Moves the only child of the root into it. Returns whether there was one. */
  #lowerRoot(): boolean {
    const writer = this.#writer;
    const root = this.#look.view;
    const frame = writer.need(this.#tree.rootId, root);
    if (entryCount(root) > 0) return false;
    const child = this.#left;
    const childId = firstChild(root);
    writer.need(childId, child);
    const freed = { first: childId, count: 1 };
    writer.needBits(freed);
    assert(nextPage(child) === NO_PAGE, "an only child has no sibling");

    writer.begin("none");
    const level = this.#level - 1;
    const shape = this.#shape(this.#tree.rootId, level, NO_PAGE, firstChild(child));
    this.#editor.format(root, shape, NO_PREFIX);
    this.#editor.appendFrom(root, child, 0, entryCount(child));
    writer.image(frame);
    writer.free(freed);
    this.#end();
    this.#aim(this.#look.probe, level);
    return true;
  }

  // oxlint-disable-next-line eslint/max-params -- the fields of a shape
  #shape(id: PageId, level: number, next: PageId, first: PageId): TreePageShape {
    return { id, level, treeId: this.#tree.treeId, next, firstChild: first };
  }

  #end(): void {
    this.#writer.end();
    this.#hasMerged = true;
    this.#tree.structureVersion++;
    this.#tree.changeVersion++;
  }
}

const NO_PREFIX = new Uint8Array(0);
