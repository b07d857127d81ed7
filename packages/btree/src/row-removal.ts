import { ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  type Frame,
  type PageId,
  type PageView,
  type Run,
  bitmapPageOf,
  pageIdOf,
} from "@kvs/pager";
import { RunList } from "./overflow-reader.ts";
import { type OverflowValue, listBytes, readOverflow, writeOverflow } from "./overflow-value.ts";
import { OP_REMOVE, writeOpHeader } from "./page-op.ts";
import { type PageReader, type PageWriter, type UndoKind } from "./page-writer.ts";
import { Probe } from "./probe.ts";
import { writeRowInsert } from "./row.ts";
import {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  TREE_KEY_BYTES_MAX,
  cellValueAt,
  cellValueLength,
  copyKey,
  entryInfo,
  leafVersion,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";
import { hasSameKey } from "./vacuum.ts";

const NO_SLOT = -1;

/** A leaf in its frame. */
export interface LeafPlace {
  readonly frame: Frame;
  readonly view: PageView;
}

/** How rows are removed. */
export interface RemovalOptions {
  readonly undo: UndoKind;
  /** Whether the pages of long values are given back with their rows. */
  readonly freesValues: boolean;
}

/**
 * Removes rows from a leaf, with the pages of their values.
 *
 * A mini-transaction changes one bitmap page at most, so that four frames are enough. A value whose
 * pages lie under several, or are listed in pages of their own, goes in steps: the row is marked with
 * tombstone and overflow together, and counts in `freedRuns` what is gone. Whenever the steps stop,
 * the row still names exactly the pages that it owns, and the next removal goes on there. Nobody
 * reads the row meanwhile: only what no reader can need is removed.
 */
export class RowRemoval {
  readonly #tree: TreeState;
  readonly #pages: PageReader;
  readonly #writer: PageWriter;
  readonly #probe = new Probe();
  readonly #key: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  readonly #descriptor = new ByteWriter();
  /** The list of pages that is being read. */
  #list: { readonly firstPage: PageId; readonly runs: RunList } | undefined = undefined;

  constructor(tree: TreeState, pages: PageReader, writer: PageWriter) {
    this.#tree = tree;
    this.#pages = pages;
    this.#writer = writer;
  }

  /** Forgets what an operation before had begun to read. */
  begin(): void {
    this.#list = undefined;
  }

  /**
   * Removes rows, as far as one mini-transaction can.
   *
   * @param slots Ascending, not empty.
   * @returns Whether all are gone. If not: find them again, and call again.
   * @throws {PageMiss} before anything changed; call again.
   */
  remove(leaf: LeafPlace, slots: readonly number[], options: RemovalOptions): boolean {
    const runs: Run<PageId>[] = [];
    const chosen: number[] = [];
    let kept = NO_SLOT;
    // From the end, for a row hides the older versions of its key: it goes after them, or with them.
    for (let at = slots.length - 1; at >= 0; at--) {
      const slot = slots[at]!;
      const hidesKept = slot + 1 === kept && hasSameKey(leaf.view, slot, kept);
      const canGo = !options.freesValues || (!hidesKept && collectRuns(leaf.view, slot, runs));
      if (canGo) chosen.push(slot);
      else kept = slot;
      if (!canGo && chosen.length === 0) break;
    }
    if (chosen.length === 0) {
      this.freePart(leaf, kept);
      return false;
    }
    this.needBits(runs);
    this.#writer.begin(options.undo);
    for (const slot of chosen) this.writeRemove(leaf, slot, 1);
    this.endWith(runs);
    return chosen.length === slots.length;
  }

  /** Whether the pages of the row's value, added to `runs`, can be given back at once. */
  canFree(leaf: LeafPlace, slot: number, runs: Run<PageId>[]): boolean {
    return collectRuns(leaf.view, slot, runs);
  }

  /** Gathers what `endWith` these runs takes; they lie under one bitmap page. */
  needBits(runs: readonly Run<PageId>[]): void {
    for (const run of runs) this.#writer.needBits(run);
  }

  /** Gives the runs back and ends the mini-transaction. */
  endWith(runs: readonly Run<PageId>[]): void {
    for (const run of runs) this.#writer.free(run);
    this.#writer.end();
    this.#tree.changeVersion++;
  }

  writeRemove(leaf: LeafPlace, slot: number, count: number): void {
    const { ops } = this.#writer;
    writeOpHeader(ops, OP_REMOVE, pageIdOf(leaf.view));
    ops.u16(slot);
    ops.u16(count);
    this.#writer.apply(leaf.frame);
  }

  /** Gives back the next pages of a row's value that lie under one bitmap page, and notes it. */
  freePart(leaf: LeafPlace, slot: number): void {
    const value = overflowAt(leaf.view, slot);
    const runs = this.#runsOf(value);
    const freed = stretchOf(runs, value.freedRuns);
    const freedRuns = value.freedRuns + freed.length;
    this.needBits(freed);
    this.#list = undefined;

    this.#writer.begin("none"); // taking it back would bring up a row that nobody can need
    const hasMore = freedRuns < runs.length;
    this.#rewrite(leaf, slot, hasMore ? { ...value, freedRuns } : asListAlone(value));
    this.endWith(freed);
  }

  #runsOf(value: OverflowValue): readonly Run<PageId>[] {
    const firstPage = value.runs[0]!.first;
    if (this.#list?.firstPage !== firstPage) {
      this.#list = { firstPage, runs: new RunList(this.#pages, value) };
    }
    return this.#list.runs.read();
  }

  #rewrite(leaf: LeafPlace, slot: number, value: OverflowValue): void {
    const length = copyKey(leaf.view, slot, this.#key);
    this.#probe.set(this.#key, length, leafVersion(leaf.view, slot));
    this.#descriptor.reset();
    writeOverflow(this.#descriptor, value);
    const bytes = this.#descriptor.view();
    const flags = INFO_TOMBSTONE | INFO_OVERFLOW;
    const row = { probe: this.#probe, value: { flags, bytes, from: 0, to: bytes.length } };
    this.writeRemove(leaf, slot, 1);
    writeRowInsert(this.#writer.ops, leaf.view, slot, row);
    this.#writer.apply(leaf.frame);
  }
}

function overflowAt(page: PageView, slot: number): OverflowValue {
  const from = cellValueAt(page, slot);
  return readOverflow(page.u8, from, from + cellValueLength(page, slot));
}

/** Adds the pages that the row still owns, unless that would take another bitmap page, or a list. */
function collectRuns(page: PageView, slot: number, runs: Run<PageId>[]): boolean {
  if ((entryInfo(page, slot) & INFO_OVERFLOW) === 0) return true;
  const value = overflowAt(page, slot);
  if (value.listedRuns > 0) return false;
  const owned = value.runs.slice(value.freedRuns);
  assert(owned.length > 0, "a row whose pages are all gone is gone itself");
  const bitmap = bitmapPageOf((runs[0] ?? owned[0]!).first);
  if (owned.some((run) => bitmapPageOf(run.first) !== bitmap)) return false;
  runs.push(...owned);
  return true;
}

/** The runs from `from` on that lie under the same bitmap page. */
function stretchOf(runs: readonly Run<PageId>[], from: number): readonly Run<PageId>[] {
  const first = runs[from];
  assert(first !== undefined, "there are pages left to give back");
  const bitmap = bitmapPageOf(first.first);
  let to = from + 1;
  while (to < runs.length && bitmapPageOf(runs[to]!.first) === bitmap) to++;
  return runs.slice(from, to);
}

/** The value's pages are gone: the pages of its list are left, as if they were the value. */
function asListAlone(value: OverflowValue): OverflowValue {
  assert(value.listedRuns > 0, "the last of a value's own pages go with its row");
  const length = listBytes(value.listedRuns);
  return { length, plainLength: 0, checksum: 0, runs: value.runs, listedRuns: 0, freedRuns: 0 };
}
