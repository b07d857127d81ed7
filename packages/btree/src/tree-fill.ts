import { type Frame, PAGE_BYTES, type PageId, PageView, pageIdOf } from "@kvs/pager";
import { Descent } from "./descent.ts";
import { Fence, commonPrefix } from "./fence.ts";
import { PageEditor, type TreePageShape } from "./page-editor.ts";
import { OP_REMOVE, writeOpHeader } from "./page-op.ts";
import { type PageReader, type PageWriter } from "./page-writer.ts";
import { type Probe } from "./probe.ts";
import { separatorCellLength, writeSeparatorInsert } from "./row.ts";
import { findChild } from "./search.ts";
import { SeparatorChoice } from "./separator-choice.ts";
import {
  BODY_BYTES,
  ENTRY_BYTES,
  TREE_KEY_BYTES_MAX,
  cellLength,
  childAt,
  copyKey,
  entriesOffset,
  entryCount,
  firstChild,
  freeBytes,
  nextPage,
  prefixLength,
  separatorVersion,
  treeIdOf,
  usedBytes,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/** How full a leaf is made: a few rows may still come before it splits. */
const FULL_BYTES: number = BODY_BYTES - (BODY_BYTES >>> 4);
/** A leaf that uses this much is left as it is. */
const FULL_ENOUGH_BYTES: number = BODY_BYTES - (BODY_BYTES >>> 3);
/** Rows that stay behind so that the versions of a key stay together. */
const KEY_BOUNDARY_SLOTS = 8;

/**
 * Makes the leaves of a tree full again, from left to right, a few at a time: rows move from a leaf
 * into the one on its left until that is full, and a leaf that became empty is given back. Each step
 * is one mini-transaction of at most four pages: parent, two leaves, a bitmap page. Leaves under
 * different parents are left as they are.
 *
 * Use it as any change of the tree: `begin`, then `step` until it returns true. Between two steps the
 * tree may be read and changed; the walk goes on behind the last key that it has passed.
 */
export class TreeFill {
  readonly #tree: TreeState;
  readonly #writer: PageWriter;
  /** The way to the leaf that is to be filled. */
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
  readonly #separator = new SeparatorChoice();

  constructor(tree: TreeState, pages: PageReader, writer: PageWriter) {
    this.#tree = tree;
    this.#writer = writer;
    this.#look = new Descent(tree, pages);
    this.#descent = new Descent(tree, pages);
  }

  /** Begins at the leaf that this probe belongs to. */
  begin(probe: Probe): void {
    this.#aim(probe.bytes, probe.length, probe.version);
  }

  /** Where the walk is: `begin` with it goes on from there. Valid until the next step. */
  get place(): Probe {
    return this.#look.probe;
  }

  /**
   * Looks at one leaf, and fills it if that is worth while.
   *
   * @returns whether it was the last.
   * @throws {PageMiss} before anything changed; call again.
   */
  step(): boolean {
    this.#look.reach(0);
    if (this.#look.isRoot(0)) return true;
    const descent = this.#descent;
    descent.reachWithFences(1);
    const parentFrame = this.#writer.need(descent.pageAt(1), descent.view);
    const rightSlot = findChild(descent.view, descent.probe) + 1;
    if (rightSlot >= entryCount(descent.view)) return this.#leaveParent();
    if (!this.#pull(parentFrame, rightSlot)) this.#goTo(rightSlot);
    return false;
  }

  /** On to the first leaf under the next parent. */
  #leaveParent(): boolean {
    const { high } = this.#descent;
    if (!high.isFinite) return true;
    this.#key.set(high.bytes.subarray(0, high.length));
    this.#aim(this.#key, high.length, high.version);
    return false;
  }

  /** On to the leaf right of the parent's separator. */
  #goTo(slot: number): void {
    const parent = this.#descent.view;
    this.#aim(this.#key, copyKey(parent, slot, this.#key), separatorVersion(parent, slot));
  }

  #aim(key: Uint8Array, length: number, version: number): void {
    for (const descent of [this.#look, this.#descent]) {
      descent.probe.set(key, length, version);
      descent.restart();
    }
  }

  /** Moves rows to the left over the separator at `rightSlot`. Returns whether any were. */
  #pull(parentFrame: Frame, rightSlot: number): boolean {
    const writer = this.#writer;
    const parent = this.#descent.view;
    const leftFrame = writer.need(childAt(parent, rightSlot - 1), this.#left);
    const rightId = childAt(parent, rightSlot);
    const rightFrame = writer.need(rightId, this.#right);
    this.#setFences(parent, rightSlot);
    const count = this.#rowsToMove();
    if (count === 0) return false;
    if (count === entryCount(this.#right)) {
      this.#absorb({ parentFrame, leftFrame, rightId, rightSlot });
      return true;
    }
    this.#separator.choose(this.#right, count);
    const { probe, hasVersion } = this.#separator;
    const cell = separatorCellLength(parent, probe, hasVersion);
    if (freeBytes(parent) + cellLength(parent, rightSlot) < cell) return false;

    writer.begin("none");
    this.#rebuildLeft(count, this.#separator.fence);
    writer.image(leftFrame);
    this.#rebuildRight(count);
    writer.image(rightFrame);
    this.#writeRemove(parent, rightSlot);
    writer.apply(parentFrame);
    writeSeparatorInsert(writer.ops, parent, rightSlot, { probe, hasVersion, child: rightId });
    writer.apply(parentFrame);
    this.#end();
    this.#goTo(rightSlot);
    return true;
  }

  /** All rows of the right leaf go left, and its page is given back; the left one is looked at again. */
  #absorb({ parentFrame, leftFrame, rightId, rightSlot }: Pair): void {
    const writer = this.#writer;
    const freed = { first: rightId, count: 1 };
    writer.needBits(freed);

    writer.begin("none");
    const next = nextPage(this.#right);
    this.#rebuildLeft(entryCount(this.#right), this.#high, next);
    writer.image(leftFrame);
    this.#writeRemove(this.#descent.view, rightSlot);
    writer.apply(parentFrame);
    writer.free(freed);
    this.#end();
    this.#aim(this.#descent.probe.bytes, this.#descent.probe.length, this.#descent.probe.version);
  }

  /** The fences below the left leaf and above the right one. */
  #setFences(parent: PageView, rightSlot: number): void {
    const { low, high } = this.#descent;
    this.#low.copyFrom(low);
    this.#high.copyFrom(high);
    if (rightSlot > 0) this.#low.set(this.#key, copyKey(parent, rightSlot - 1, this.#key));
    if (rightSlot + 1 < entryCount(parent)) {
      this.#high.set(this.#key, copyKey(parent, rightSlot + 1, this.#key));
    }
  }

  /** How many of the right leaf's rows the left one takes; counted with the shortest prefix. */
  #rowsToMove(): number {
    const left = this.#left;
    const right = this.#right;
    const prefix = commonPrefix(this.#low, this.#high);
    let used = entriesOffset(prefix) - entriesOffset(0);
    used += usedBytes(left) + entryCount(left) * (prefixLength(left) - prefix);
    if (usedBytes(left) >= FULL_ENOUGH_BYTES) return 0;
    const longer = ENTRY_BYTES + prefixLength(right) - prefix;
    const count = entryCount(right);
    let moved = 0;
    while (moved < count && used + cellLength(right, moved) + longer <= FULL_BYTES) {
      used += cellLength(right, moved) + longer;
      moved++;
    }
    return moved === count ? count : this.#nearKeyBoundary(moved);
  }

  #nearKeyBoundary(count: number): number {
    for (let slot = count; slot > 0 && slot > count - KEY_BOUNDARY_SLOTS; slot--) {
      if (this.#separator.isKeyBoundary(this.#right, slot)) return slot;
    }
    return count;
  }

  #rebuildLeft(count: number, high: Fence, next: PageId = nextPage(this.#left)): void {
    const left = this.#left;
    const copy = this.#copyOf(left);
    const prefix = this.#low.bytes.subarray(0, commonPrefix(this.#low, high));
    this.#editor.format(left, shapeOf(copy, next), prefix);
    this.#editor.appendFrom(left, copy, 0, entryCount(copy));
    this.#editor.appendFrom(left, this.#right, 0, count);
  }

  #rebuildRight(from: number): void {
    const right = this.#right;
    const copy = this.#copyOf(right);
    const { fence } = this.#separator;
    const prefix = fence.bytes.subarray(0, commonPrefix(fence, this.#high));
    this.#editor.format(right, shapeOf(copy, nextPage(copy)), prefix);
    this.#editor.appendFrom(right, copy, from, entryCount(copy));
  }

  #copyOf(page: PageView): PageView {
    this.#copy.u8.set(page.u8.subarray(page.base, page.base + PAGE_BYTES));
    return this.#copy;
  }

  #writeRemove(parent: PageView, slot: number): void {
    const { ops } = this.#writer;
    writeOpHeader(ops, OP_REMOVE, pageIdOf(parent));
    ops.u16(slot);
    ops.u16(1);
  }

  #end(): void {
    this.#writer.end();
    this.#tree.structureVersion++;
    this.#tree.changeVersion++;
  }
}

interface Pair {
  readonly parentFrame: Frame;
  readonly leftFrame: Frame;
  readonly rightId: PageId;
  readonly rightSlot: number;
}

function shapeOf(page: PageView, next: PageId): TreePageShape {
  const id = pageIdOf(page);
  return { id, level: 0, treeId: treeIdOf(page), next, firstChild: firstChild(page) };
}
