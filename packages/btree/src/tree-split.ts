import { assert } from "@kvs/env";
import { type Frame, NO_PAGE, type PageId, PageView, pageIdOf } from "@kvs/pager";
import { Descent } from "./descent.ts";
import { commonPrefix } from "./fence.ts";
import { PageEditor, type TreePageShape } from "./page-editor.ts";
import { OP_KEEP_FIRST, writeOpHeader } from "./page-op.ts";
import { type PageReader, type PageWriter } from "./page-writer.ts";
import { type Probe } from "./probe.ts";
import { SeparatorChoice } from "./separator-choice.ts";
import { type Separator, separatorCellLength, writeSeparatorInsert } from "./row.ts";
import { findChild, hasKey, lowerBound } from "./search.ts";
import {
  ENTRY_BYTES,
  LEVEL_MAX,
  cellLength,
  childAt,
  entryCount,
  firstChild,
  freeBytes,
  nextPage,
  pageLevel,
  usedBytes,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/**
 * Splits a page in two, as a mini-transaction of its own. At most four pages change: the parent, the
 * page, its new right sibling, and a bitmap page. If the parent has no room for the separator, the
 * parent is split instead, and the caller comes back: the top-most full page goes first.
 *
 * A root keeps its number: its content first moves into a single new page below it, which is split
 * next.
 *
 * The left page of a split is logged as "keep so many entries", the right one as an image of what it
 * holds: together about half a page.
 */
export class TreeSplit {
  readonly #tree: TreeState;
  readonly #writer: PageWriter;
  readonly #descent: Descent;
  readonly #editor = new PageEditor();
  readonly #parent = new PageView();
  readonly #right = new PageView();
  readonly #child = new PageView();
  readonly #separator = new SeparatorChoice();
  #level = 0;

  constructor(tree: TreeState, pages: PageReader, writer: PageWriter) {
    this.#tree = tree;
    this.#writer = writer;
    this.#descent = new Descent(tree, pages);
  }

  /** Begins to make room where an entry with this probe belongs, in the page of `level` there. */
  begin(probe: Probe, level: number): void {
    this.#descent.probe.set(probe.bytes, probe.length, probe.version);
    this.#descent.restart();
    this.#level = level;
  }

  /**
   * Splits one page: the one that `begin` named or, if there is no room for its separator, one above
   * it; or makes the tree a level higher. Look again afterwards whether there is room.
   *
   * @throws {PageMiss} before anything changed; call again.
   */
  step(): void {
    const descent = this.#descent;
    for (;;) {
      descent.reachWithFences(this.#level);
      const frame = this.#writer.need(descent.pageAt(this.#level), descent.view);
      if (descent.isRoot(this.#level)) return this.#deepen(frame);
      const slot = this.#chooseSlot(descent.view, descent.probe);
      this.#separator.choose(descent.view, slot);
      if (this.#split(frame, slot)) return;
      this.begin(descent.probe, this.#level + 1);
    }
  }

  /** Returns false, with nothing changed, if the parent has no room. */
  #split(frame: Frame, slot: number): boolean {
    const writer = this.#writer;
    const parentId = this.#descent.pageAt(this.#level + 1);
    const parentFrame = writer.need(parentId, this.#parent);
    const cell = separatorCellLength(
      this.#parent,
      this.#separator.probe,
      this.#separator.hasVersion,
    );
    if (freeBytes(this.#parent) < cell + ENTRY_BYTES) return false;
    const rightId = writer.allocate();
    const page = this.#descent.view;

    writer.begin("none");
    writer.create(rightId, this.#right);
    this.#fillRight(page, slot, rightId);
    const { low } = this.#descent;
    writeOpHeader(writer.ops, OP_KEEP_FIRST, pageIdOf(page));
    writer.ops.u16(slot);
    writer.ops.u16(commonPrefix(low, this.#separator.fence));
    writer.ops.u32(rightId);
    writer.apply(frame);
    const at = findChild(this.#parent, this.#separator.probe) + 1;
    writeSeparatorInsert(writer.ops, this.#parent, at, this.#separatorTo(rightId));
    writer.apply(parentFrame);
    this.#end();
    return true;
  }

  /** Moves the root's content into a page below it, the only child for now. */
  #deepen(frame: Frame): void {
    const writer = this.#writer;
    const root = this.#descent.view;
    const level = pageLevel(root);
    assert(level < LEVEL_MAX, "a tree is no higher than the number of pages makes it");
    const childId = writer.allocate();
    const child = this.#shape(childId, level, firstChild(root));
    const above = this.#shape(this.#tree.rootId, level + 1, childId);

    writer.begin("none");
    writer.create(childId, this.#child);
    this.#editor.format(this.#child, child, NO_PREFIX);
    this.#editor.appendFrom(this.#child, root, 0, entryCount(root));
    this.#editor.format(root, above, NO_PREFIX);
    writer.image(frame);
    this.#end();
  }

  #shape(id: PageId, level: number, first: PageId): TreePageShape {
    return { id, level, treeId: this.#tree.treeId, next: NO_PAGE, firstChild: first };
  }

  #separatorTo(child: PageId): Separator {
    return { probe: this.#separator.probe, hasVersion: this.#separator.hasVersion, child };
  }

  #end(): void {
    this.#writer.end();
    this.#tree.structureVersion++;
    this.#tree.changeVersion++;
  }

  /** Fills the new right page with the entries of `page` from `slot` on. */
  #fillRight(page: PageView, slot: number, id: PageId): void {
    const isLeaf = pageLevel(page) === 0;
    const first = isLeaf ? NO_PAGE : childAt(page, slot);
    const shape = { ...this.#shape(id, pageLevel(page), first), next: nextPage(page) };
    const prefix = commonPrefix(this.#separator.fence, this.#descent.high);
    const { bytes } = this.#separator.fence;
    this.#editor.format(this.#right, shape, bytes.subarray(0, prefix));
    // An interior page's separator moves up: its child is the right page's first.
    this.#editor.appendFrom(this.#right, page, isLeaf ? slot : slot + 1, entryCount(page));
  }

  /**
   * The first slot of the right half: where the bytes are halved, moved to a boundary between keys if
   * one is near. Where entries arrive in order, at one end of the level, nearly all stay together.
   */
  #chooseSlot(page: PageView, probe: Probe): number {
    const count = entryCount(page);
    const isLeaf = pageLevel(page) === 0;
    const last = isLeaf ? count - 1 : count - 2;
    assert(last >= 1, "a full page has entries for both sides");
    const goal = usedBytes(page) * this.#leftShare(page, probe);
    let used = 0;
    let slot = 0;
    while (slot < last && used < goal) {
      used += ENTRY_BYTES + cellLength(page, slot);
      slot++;
    }
    if (slot < 1) slot = 1;
    return isLeaf ? this.#nearKeyBoundary(page, slot, last) : slot;
  }

  #leftShare(page: PageView, probe: Probe): number {
    const isLeaf = pageLevel(page) === 0;
    const before = isLeaf ? lowerBound(page, probe) : findChild(page, probe) + 1;
    if (before === entryCount(page) && nextPage(page) === NO_PAGE) return IN_ORDER_SHARE;
    if (before > 0 || this.#descent.low.isFinite) return HALF;
    const isVersion = isLeaf && hasKey(page, 0, probe, false); // of a key that was there before
    return isVersion ? HALF : 1 - IN_ORDER_SHARE;
  }

  #nearKeyBoundary(page: PageView, slot: number, last: number): number {
    for (let distance = 0; distance <= KEY_BOUNDARY_SLOTS; distance++) {
      if (slot - distance >= 1 && this.#separator.isKeyBoundary(page, slot - distance))
        return slot - distance;
      if (slot + distance <= last && this.#separator.isKeyBoundary(page, slot + distance)) {
        return slot + distance;
      }
    }
    return slot;
  }
}

/** Share of a page that stays together when entries arrive in order. */
const IN_ORDER_SHARE = 0.95;
const HALF = 0.5;
/** How far the halves may differ so that the versions of a key stay together. */
const KEY_BOUNDARY_SLOTS = 8;
const NO_PREFIX = new Uint8Array(0);
