import { assert } from "@kvs/env";
import {
  PAGE_BYTES,
  PAGE_INTERIOR,
  PAGE_LEAF,
  type PageId,
  PageView,
  formatPage,
  pageIdOf,
  pageLsn,
  setPageLsn,
} from "@kvs/pager";
import { copyBytes } from "./copy-bytes.ts";
import {
  COUNT_OFFSET,
  ENTRY_BYTES,
  FIRST_CHILD_OFFSET,
  GARBAGE_OFFSET,
  HEAD_BYTES,
  HEAP_START_OFFSET,
  INFO_LENGTH_MASK,
  INTERIOR_REST_OFFSET,
  LEAF_REST_OFFSET,
  INFO_VERSION,
  LEVEL_OFFSET,
  NEXT_OFFSET,
  PREFIX_LENGTH_OFFSET,
  PREFIX_OFFSET,
  TREE_ID_OFFSET,
  VERSION_BYTES,
  cellAt,
  cellLength,
  contiguousFreeBytes,
  copyKey,
  entriesOffset,
  entryCount,
  entryInfo,
  entryWord,
  firstChild,
  freeBytes,
  garbageBytes,
  headOf,
  heapStart,
  pageLevel,
  prefixLength,
  restLength,
  setChildAt,
  treeIdOf,
} from "./tree-page.ts";

/** What a tree page is made with. */
export interface TreePageShape {
  readonly id: PageId;
  readonly level: number;
  readonly treeId: number;
  readonly next: PageId;
  /** Interior pages only. */
  readonly firstChild: PageId;
}

/** An entry to be put in: its words, and where its cell lies in the bytes given with it. */
export interface NewEntry {
  /** The first four key bytes behind the page's prefix, big-endian, zero-padded. */
  readonly head: number;
  /** Length of the key behind the prefix, and flags. */
  readonly info: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Changes the bytes of tree pages. Every method is a function of the page's bytes and its
 * arguments alone: the same start gives the same result, bit for bit. Redo depends on that.
 */
export class PageEditor {
  readonly #scratch: Uint8Array = new Uint8Array(PAGE_BYTES);
  /** While a page is compacted: by a cell's offset, which entry names it, plus 1. Else zeros. */
  readonly #entryAt: Uint16Array = new Uint16Array(PAGE_BYTES);
  /** While a page is compacted: where stretches of cells begin and end, in turns. */
  readonly #stretches: Uint16Array = new Uint16Array(PAGE_BYTES);
  readonly #key: Uint8Array = new Uint8Array(PAGE_BYTES);
  readonly #lastKey: Uint8Array = new Uint8Array(PAGE_BYTES);

  /**
   * Inserts an entry before `slot`. The page must have room: `freeBytes` of at least the cell's
   * length and `ENTRY_BYTES`.
   *
   * @param cell Holds the cell's bytes, laid out as in tree-page.ts; copied.
   */
  insert(page: PageView, slot: number, entry: NewEntry, cell: Uint8Array): void {
    const count = entryCount(page);
    const { from, to } = entry;
    const length = to - from;
    assert(slot <= count, "an entry goes before another or behind the last");
    assert(freeBytes(page) >= length + ENTRY_BYTES, "an entry is inserted only where it fits");
    if (contiguousFreeBytes(page) < length + ENTRY_BYTES) this.compact(page);

    const { u8, u16, u32, base } = page;
    const word = entryWord(page, slot);
    const at = word << 2;
    u8.copyWithin(at + ENTRY_BYTES, at, at + ENTRY_BYTES * (count - slot));
    const start = heapStart(page) - length;
    copyBytes(u8, base + start, cell, from, length);
    u32[word] = entry.head;
    u16[2 * word + 2] = start;
    u16[2 * word + 3] = entry.info;
    u16[(base + HEAP_START_OFFSET) >>> 1] = start;
    u16[(base + COUNT_OFFSET) >>> 1] = count + 1;
  }

  /** Removes `count` entries from `slot` on. Their cells become garbage. */
  remove(page: PageView, slot: number, count: number): void {
    const before = entryCount(page);
    assert(slot + count <= before, "only entries that are there are removed");
    const { u8, u16, base } = page;
    let garbage = garbageBytes(page);
    for (let gone = slot; gone < slot + count; gone++) garbage += cellLength(page, gone);
    const at = entryWord(page, slot) << 2;
    const end = entryWord(page, before) << 2;
    u8.copyWithin(at, at + ENTRY_BYTES * count, end);
    u8.fill(0, end - ENTRY_BYTES * count, end); // no stale entry stays in the free space
    u16[(base + GARBAGE_OFFSET) >>> 1] = garbage;
    u16[(base + COUNT_OFFSET) >>> 1] = before - count;
    if (before === count) this.compact(page);
  }

  /**
   * Moves all cells to the page's end, in the order in which they lie, so that free space is
   * contiguous and zero.
   *
   * Cost: a step for each entry and each byte of garbage, and a copy for each stretch of cells
   * between garbage; a third less than a copy of each cell.
   */
  compact(page: PageView): void {
    const { u8, u16, base } = page;
    const count = entryCount(page);
    const oldStart = heapStart(page);
    const start = oldStart + garbageBytes(page);
    if (count > 0) this.#closeGaps(page, oldStart);
    const end = entriesOffset(prefixLength(page)) + ENTRY_BYTES * count;
    u8.fill(0, base + end, base + (count > 0 ? start : PAGE_BYTES));
    u16[(base + HEAP_START_OFFSET) >>> 1] = count > 0 ? start : PAGE_BYTES;
    u16[(base + GARBAGE_OFFSET) >>> 1] = 0;
  }

  /** Tells every entry its cell's new place, then moves the cells, a stretch at a time. */
  #closeGaps(page: PageView, heapFrom: number): void {
    const { u8, u16, base } = page;
    const entryAt = this.#entryAt;
    const first = 2 * entryWord(page, 0) + 2;
    for (let entry = first + 4 * entryCount(page); entry > first;) {
      entry -= 4;
      entryAt[u16[entry]!] = entry - first + 1;
    }
    const isLeaf = pageLevel(page) === 0;
    const stretches = this.#stretches;
    let shift = garbageBytes(page); // of the cells that come next, up to the next garbage
    let ends = 0;
    for (let at = heapFrom; at < PAGE_BYTES;) {
      const found = entryAt[at]!;
      if (found === 0) {
        at++;
        shift--;
        continue;
      }
      const entry = first + found - 1;
      const info = u16[entry + 1]!;
      const rest = restLength(info);
      entryAt[at] = 0;
      u16[entry] = at + shift;
      if (ends > 0 && stretches[ends - 1] === at) ends--;
      else stretches[ends++] = at;
      if (isLeaf) {
        const valueLength = base + at + VERSION_BYTES;
        at += LEAF_REST_OFFSET + rest + (u8[valueLength]! | (u8[valueLength + 1]! << 8));
      } else at += INTERIOR_REST_OFFSET + rest + ((info & INFO_VERSION) === 0 ? 0 : VERSION_BYTES);
      stretches[ends++] = at;
    }
    assert(shift === 0, "cells and garbage add up to the heap");
    let to = PAGE_BYTES;
    while (ends > 0) {
      const stretchEnd = stretches[--ends]!;
      const stretchStart = stretches[--ends]!;
      to -= stretchEnd - stretchStart;
      if (to !== stretchStart) u8.copyWithin(base + to, base + stretchStart, base + stretchEnd);
    }
  }

  /** Makes the frame an empty tree page whose keys all begin with `prefix`. */
  format(page: PageView, shape: TreePageShape, prefix: Uint8Array): void {
    const lsn = pageLsn(page); // the caller moves it on, when the change is in the log
    formatPage(page, shape.id, shape.level === 0 ? PAGE_LEAF : PAGE_INTERIOR);
    const { u8, u16, u32, base } = page;
    u8[base + LEVEL_OFFSET] = shape.level;
    u16[(base + PREFIX_LENGTH_OFFSET) >>> 1] = prefix.length;
    u16[(base + HEAP_START_OFFSET) >>> 1] = PAGE_BYTES;
    u32[(base + NEXT_OFFSET) >>> 2] = shape.next;
    u32[(base + FIRST_CHILD_OFFSET) >>> 2] = shape.firstChild;
    u32[(base + TREE_ID_OFFSET) >>> 2] = shape.treeId;
    u8.set(prefix, base + PREFIX_OFFSET);
    setPageLsn(page, lsn);
  }

  /**
   * Appends the entries [from, to) of another page behind the last of this one. Both are on the same
   * level; the keys have this page's prefix, which may be longer or shorter than the other's.
   */
  appendFrom(page: PageView, source: PageView, from: number, to: number): void {
    assert(pageLevel(page) === pageLevel(source), "entries stay on their level");
    const prefix = prefixLength(page);
    for (let slot = from; slot < to; slot++) {
      const keyBytes = copyKey(source, slot, this.#key);
      assert(keyBytes >= prefix, "every key of a page has the page's prefix");
      this.#appendEntry(page, source, slot, keyBytes - prefix);
    }
  }

  /** Whether `keepFirst` with these arguments is possible. */
  canKeepFirst(page: PageView, count: number, prefix: number): boolean {
    if (prefix < prefixLength(page)) return false; // fences only come nearer
    const last = copyKey(page, count - 1, this.#lastKey);
    if (Math.min(last, copyKey(page, 0, this.#key)) < prefix) return false;
    for (let at = 0; at < prefix; at++) if (this.#key[at] !== this.#lastKey[at]) return false;
    let bytes = entriesOffset(prefix);
    for (let slot = 0; slot < count; slot++) {
      const info = entryInfo(page, slot);
      const shorter = (info & INFO_LENGTH_MASK) - (prefix - prefixLength(page));
      bytes += ENTRY_BYTES + cellLength(page, slot) - restLength(info) + restLength(shorter);
    }
    return bytes <= PAGE_BYTES;
  }

  /**
   * Keeps the first `count` entries, at least one, rebuilt under a prefix of this length, and links
   * the page to a new right sibling: what the left page of a split becomes.
   */
  keepFirst(page: PageView, count: number, prefix: number, next: PageId): void {
    assert(count >= 1 && count <= entryCount(page), "entries that are there are kept");
    this.#scratch.set(page.u8.subarray(page.base, page.base + PAGE_BYTES));
    const copy = PageView.of(this.#scratch);
    const keyBytes = copyKey(copy, 0, this.#key);
    assert(prefix <= keyBytes, "the first key has the new prefix");
    const shape: TreePageShape = {
      id: pageIdOf(copy),
      level: pageLevel(copy),
      treeId: treeIdOf(copy),
      next,
      firstChild: firstChild(copy),
    };
    this.format(page, shape, this.#key.slice(0, prefix));
    this.appendFrom(page, copy, 0, count);
  }

  /**
   * Appends a parent's separator at `slot` with another child: what joins the two halves when
   * interior pages merge.
   */
  appendSeparator(page: PageView, parent: PageView, slot: number, child: PageId): void {
    const keyBytes = copyKey(parent, slot, this.#key);
    this.#appendEntry(page, parent, slot, keyBytes - prefixLength(page));
    setChildAt(page, entryCount(page) - 1, child);
  }

  #appendEntry(page: PageView, source: PageView, slot: number, suffix: number): void {
    const oldInfo = entryInfo(source, slot);
    const oldRest = restLength(oldInfo);
    const info = (oldInfo & ~INFO_LENGTH_MASK) | suffix;
    const rest = restLength(info);
    const isLeaf = pageLevel(source) === 0;
    const fixed = isLeaf ? LEAF_REST_OFFSET : INTERIOR_REST_OFFSET;
    const from = cellAt(source, slot);
    const oldLength = cellLength(source, slot);
    const length = oldLength - oldRest + rest;
    const { u8, u16, u32, base } = page;
    const start = heapStart(page) - length;
    const at = base + start;
    const count = entryCount(page);
    const end = entriesOffset(prefixLength(page)) + ENTRY_BYTES * (count + 1);
    assert(start >= end, "entries are appended only where they fit");

    copyBytes(u8, at, source.u8, from, fixed);
    const restFrom = prefixLength(page) + HEAD_BYTES;
    copyBytes(u8, at + fixed, this.#key, restFrom, rest);
    const tail = oldLength - fixed - oldRest;
    copyBytes(u8, at + fixed + rest, source.u8, from + fixed + oldRest, tail);
    const word = entryWord(page, count);
    u32[word] = headOf(this.#key, prefixLength(page), suffix);
    u16[2 * word + 2] = start;
    u16[2 * word + 3] = info;
    u16[(base + HEAP_START_OFFSET) >>> 1] = start;
    u16[(base + COUNT_OFFSET) >>> 1] = count + 1;
  }
}
