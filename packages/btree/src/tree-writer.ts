import { assert } from "@kvs/env";
import { type PageId, type Run } from "@kvs/pager";
import { Descent } from "./descent.ts";
import { type PageReader, type PageWriter } from "./page-writer.ts";
import { type Probe } from "./probe.ts";
import { type LeafPlace, RowRemoval } from "./row-removal.ts";
import { type RowValue, leafCellLength, writeRowInsert } from "./row.ts";
import { hasKey, lowerBound } from "./search.ts";
import {
  ENTRY_BYTES,
  INFO_OVERFLOW,
  LEAF_CELL_BYTES_MAX,
  TREE_KEY_BYTES_MAX,
  cellLength,
  copyKey,
  entryCount,
  entryInfo,
  freeBytes,
  leafVersion,
} from "./tree-page.ts";
import { TreeMerge, isUnderfull } from "./tree-merge.ts";
import { TreeSplit } from "./tree-split.ts";
import { type TreeState } from "./tree-state.ts";
import { type IsSeen, hasSameKey, prunableSlots } from "./vacuum.ts";

export interface TreeWriterOptions {
  /** Sabotage: a tombstone goes although an older version may stand on the next page. */
  readonly prunesTombstonesEarly?: boolean;
  /** Whether a reader may read at a version in [from, below). Default: always. */
  readonly isSeen?: IsSeen;
}

/**
 * Changes one tree, one operation at a time. An operation is a series of attempts: begin it, then
 * call its method until it returns true. Each call does at most one mini-transaction, and may throw
 * `PageMiss` before it changed anything; provide the page and call again. No attempt needs more than
 * four pages at the same time, new ones included.
 *
 * Cost of an insert into a resident leaf with room: one descent, one op, no allocation.
 */
export class TreeWriter {
  readonly #tree: TreeState;
  readonly #writer: PageWriter;
  readonly #descent: Descent;
  readonly #split: TreeSplit;
  readonly #merge: TreeMerge;
  readonly #removal: RowRemoval;
  readonly #prunesTombstonesEarly: boolean;
  readonly #isSeen: IsSeen | undefined;
  /** The leaf of the attempt under way. */
  readonly #leaf: { -readonly [Field in keyof LeafPlace]: LeafPlace[Field] };
  readonly #lastKey: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  /** What the operation is busy with besides its row. */
  #detour: "none" | "split" | "merge" = "none";
  #hasVacuumed = false;

  constructor(
    tree: TreeState,
    pages: PageReader,
    writer: PageWriter,
    options: TreeWriterOptions = {},
  ) {
    this.#tree = tree;
    this.#writer = writer;
    this.#descent = new Descent(tree, pages);
    this.#split = new TreeSplit(tree, pages, writer);
    this.#merge = new TreeMerge(tree, pages, writer);
    this.#removal = new RowRemoval(tree, pages, writer);
    this.#leaf = { frame: 0, view: this.#descent.view };
    this.#prunesTombstonesEarly = options.prunesTombstonesEarly ?? false;
    this.#isSeen = options.isSeen;
  }

  /** Begins an operation at this position. The probe's bytes must stay unchanged until it is done. */
  begin(probe: Probe): void {
    this.#descent.probe.copyFrom(probe);
    this.#descent.restart();
    this.#removal.begin();
    this.#detour = "none";
    this.#hasVacuumed = false;
  }

  /**
   * Inserts a row with the probe's key and version. Older versions of the key that nobody can need
   * at `horizon` go in the same mini-transaction.
   *
   * A row with the same key and version is replaced, and the pages of its value are given back: a
   * batch that may be undone names each key once.
   *
   * @param value Its cell takes at most `LEAF_CELL_BYTES_MAX`.
   * @param horizon No reader, now or later, reads at a lower version; -1 to keep all.
   * @returns true when done; false after another step, such as a split: call again.
   */
  insert(value: RowValue, horizon: number): boolean {
    if (this.#detour === "split") {
      this.#split.step();
      this.#detour = "none";
      return false;
    }
    this.#needLeaf(false);
    const { view, probe } = this.#descent;
    const slot = lowerBound(view, probe);
    const cell = leafCellLength(view, probe, value);
    assert(cell <= LEAF_CELL_BYTES_MAX, "a long value has pages of its own");
    let staleFrom = 0;
    let staleTo = 0;
    if (slot < entryCount(view) && hasKey(view, slot, probe, false)) {
      if (leafVersion(view, slot) === probe.version) return this.#replace(slot, value, horizon);
      staleFrom = this.#staleFrom(slot, horizon);
      staleTo = this.#staleTo(slot, staleFrom);
    }
    const wanted = cell + ENTRY_BYTES - this.#bytesOf(staleFrom, staleTo);
    if (freeBytes(view) < wanted) {
      const slots = this.#prunable(horizon);
      if (!this.#sufficesWithout(slots, cell)) return this.#makeRoom(slots, wanted);
      return this.#insertFor(slots, slot, value);
    }
    const writer = this.#writer;
    writer.begin("row");
    if (staleTo > staleFrom) this.#removal.writeRemove(this.#leaf, staleFrom, staleTo - staleFrom);
    writeRowInsert(writer.ops, view, slot, { probe, value });
    writer.apply(this.#leaf.frame);
    writer.end();
    this.#tree.changeVersion++;
    return true;
  }

  /**
   * Removes the row with exactly this key and version, if it is there.
   *
   * @param freesValue Whether the pages of a long value are given back with it.
   * @returns true when done; false after another step: call again.
   */
  remove(freesValue: boolean): boolean {
    if (this.#detour === "merge") return this.#merge.step();
    this.#needLeaf(false);
    const slot = lowerBound(this.#descent.view, this.#descent.probe);
    if (!this.#isSameRow(slot)) return true;
    const options = { undo: "row", freesValues: freesValue } as const;
    return this.#removal.remove(this.#leaf, [slot], options) && this.#mergeIfUnderfull();
  }

  /**
   * Removes what nobody can need at `horizon` from the leaf that the probe belongs to.
   *
   * @returns true when done; false after another step: call again.
   */
  vacuum(horizon: number): boolean {
    if (this.#detour === "merge") return this.#merge.step();
    this.#needLeaf(true);
    const { view } = this.#descent;
    const mayPruneLast = this.#prunesTombstonesEarly || this.#isLastKeyWhole();
    const slots = prunableSlots(view, horizon, mayPruneLast, this.#isSeen);
    if (slots.length > 0 && !this.#removal.remove(this.#leaf, slots, UPKEEP)) return false;
    return this.#mergeIfUnderfull();
  }

  #needLeaf(withFences: boolean): void {
    const descent = this.#descent;
    if (withFences) descent.reachWithFences(0);
    else descent.reach(0);
    this.#leaf.frame = this.#writer.need(descent.pageAt(0), descent.view);
  }

  #isSameRow(slot: number): boolean {
    const { view, probe } = this.#descent;
    if (slot === entryCount(view) || !hasKey(view, slot, probe, false)) return false;
    return leafVersion(view, slot) === probe.version;
  }

  /** Whether no version of the leaf's last key stands in the next leaf. */
  #isLastKeyWhole(): boolean {
    const { view, high } = this.#descent;
    const count = entryCount(view);
    if (count === 0 || !high.isFinite) return true;
    const length = copyKey(view, count - 1, this.#lastKey);
    return !high.hasKey(this.#lastKey, length);
  }

  /** First in order the room, then the pages of the old value, then both rows at once. */
  #replace(slot: number, value: RowValue, horizon: number): boolean {
    const { view, probe } = this.#descent;
    const old = ENTRY_BYTES + cellLength(view, slot);
    const wanted = ENTRY_BYTES + leafCellLength(view, probe, value);
    if (freeBytes(view) + old < wanted) {
      return this.#makeRoom(this.#prunable(horizon), wanted - old);
    }
    const freed: Run<PageId>[] = [];
    const removal = this.#removal;
    if (!removal.canFree(this.#leaf, slot, freed)) {
      removal.freePart(this.#leaf, slot);
      return false;
    }
    removal.needBits(freed);
    const writer = this.#writer;
    writer.begin("row");
    removal.writeRemove(this.#leaf, slot, 1);
    writeRowInsert(writer.ops, view, slot, { probe, value });
    writer.apply(this.#leaf.frame);
    removal.endWith(freed);
    return true;
  }

  /**
   * The first of the key's older versions in this leaf that can go: the one behind the newest at or
   * below the horizon; the count if there is none.
   */
  #staleFrom(slot: number, horizon: number): number {
    const { view } = this.#descent;
    const count = entryCount(view);
    if (horizon < 0) return count;
    let visible = slot;
    while (leafVersion(view, visible) > horizon) {
      visible++;
      if (visible === count || !hasSameKey(view, slot, visible)) return count;
    }
    return visible + 1;
  }

  /** The end of what can go at once: values with pages of their own are left to a vacuum. */
  #staleTo(slot: number, from: number): number {
    const { view } = this.#descent;
    const count = entryCount(view);
    let to = from;
    while (to < count && hasSameKey(view, slot, to)) {
      if ((entryInfo(view, to) & INFO_OVERFLOW) !== 0) break;
      to++;
    }
    return to;
  }

  #bytesOf(from: number, to: number): number {
    let bytes = 0;
    for (let slot = from; slot < to; slot++) {
      bytes += ENTRY_BYTES + cellLength(this.#descent.view, slot);
    }
    return bytes;
  }

  /** What can go from a full leaf, unless that was tried already. */
  #prunable(horizon: number): readonly number[] {
    if (this.#hasVacuumed) return NO_SLOTS;
    return prunableSlots(this.#descent.view, horizon, this.#prunesTombstonesEarly, this.#isSeen);
  }

  /** Whether a row's cell fits once these slots are gone, and they can go at once. */
  #sufficesWithout(slots: readonly number[], cell: number): boolean {
    const { view } = this.#descent;
    let free = freeBytes(view);
    for (const slot of slots) {
      if ((entryInfo(view, slot) & INFO_OVERFLOW) !== 0) return false;
      free += ENTRY_BYTES + cellLength(view, slot);
    }
    return free >= cell + ENTRY_BYTES;
  }

  /** Inserts a row in the same mini-transaction in which what can go from the full leaf goes. */
  #insertFor(slots: readonly number[], slot: number, value: RowValue): true {
    const writer = this.#writer;
    const { view, probe } = this.#descent;
    const at = slot - slots.filter((gone) => gone < slot).length;
    writer.begin("row");
    for (let last = slots.length; last > 0;) {
      let first = last - 1; // slots side by side go as one
      while (first > 0 && slots[first - 1] === slots[first]! - 1) first--;
      this.#removal.writeRemove(this.#leaf, slots[first]!, last - first);
      last = first;
    }
    writeRowInsert(writer.ops, view, at, { probe, value });
    writer.apply(this.#leaf.frame);
    writer.end();
    this.#tree.changeVersion++;
    return true;
  }

  /** Removes what can go from a full leaf; if that is not enough, the next step splits it. */
  #makeRoom(slots: readonly number[], wanted: number): false {
    if (!this.#hasVacuumed) {
      const hasAny = slots.length > 0;
      this.#hasVacuumed = !hasAny || this.#removal.remove(this.#leaf, slots, UPKEEP);
      if (hasAny && freeBytes(this.#descent.view) >= wanted) return false;
    }
    this.#split.begin(this.#descent.probe, 0);
    this.#detour = "split";
    return false;
  }

  #mergeIfUnderfull(): boolean {
    if (!isUnderfull(this.#descent.view) || this.#descent.isRoot(0)) return true;
    this.#merge.begin(this.#descent.probe, 0);
    this.#detour = "merge";
    return false;
  }
}

const NO_SLOTS: readonly number[] = [];
/** What nobody can need is not brought back. */
const UPKEEP = { undo: "none", freesValues: true } as const;
