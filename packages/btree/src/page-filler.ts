import { assert } from "@kvs/env";
import { PAGE_BYTES, type PageId, type PageView } from "@kvs/pager";
import { copyBytes } from "./copy-bytes.ts";
import { type TreePageShape, PageEditor } from "./page-editor.ts";
import {
  BODY_BYTES,
  COUNT_OFFSET,
  ENTRY_BYTES,
  HEAD_BYTES,
  HEAP_START_OFFSET,
  INTERIOR_REST_OFFSET,
  LEAF_REST_OFFSET,
  TREE_KEY_BYTES_MAX,
  VERSION_BYTES,
  entriesOffset,
  headOf,
} from "./tree-page.ts";

/**
 * Left free in each page: room for two rows of some hundred bytes. An update keeps the version before it
 * for a while; without room the first one would split the page.
 */
const SLACK_BYTES: number = BODY_BYTES >>> 4;
/** More entries than a page holds: the smallest takes 12 bytes. */
const ENTRIES_MAX = 512;
/** A page's entries with their whole keys, and one entry too many. */
const STORE_BYTES: number = 8 * PAGE_BYTES;

/**
 * Fills the pages of one level from entries that come in order, each nearly full.
 *
 * A page's prefix is what its two fences have in common, and the upper fence follows from the entry
 * that comes next. With entries in order that prefix only gets shorter, and the page only fuller: so
 * the page ends before the first entry with which it would not fit any more.
 */
export class PageFiller {
  readonly #level: number;
  readonly #treeId: number;
  readonly #fixedBytes: number;
  readonly #editor = new PageEditor();
  /** Of each entry the fixed part of its cell, its whole key, and what stands behind the key. */
  readonly #store: Uint8Array = new Uint8Array(STORE_BYTES);
  readonly #at: Uint32Array = new Uint32Array(ENTRIES_MAX);
  readonly #keyBytes: Uint16Array = new Uint16Array(ENTRIES_MAX);
  readonly #tailBytes: Uint16Array = new Uint16Array(ENTRIES_MAX);
  readonly #flags: Uint16Array = new Uint16Array(ENTRIES_MAX);
  #count = 0;
  #storeEnd = 0;
  /** Entries and cells together, if the page had no prefix and heads saved nothing. */
  #bytesMost = 0;
  #low: Uint8Array = NOTHING;
  #hasLow = false;
  #firstChild = 0;

  constructor(level: number, treeId: number) {
    this.#level = level;
    this.#treeId = treeId;
    this.#fixedBytes = level === 0 ? LEAF_REST_OFFSET : INTERIOR_REST_OFFSET;
  }

  get count(): number {
    return this.#count;
  }

  /** The fence below the page under way: what its parent has for it; `undefined` for the first. */
  get low(): Uint8Array | undefined {
    return this.#hasLow ? this.#low : undefined;
  }

  /** Begins a page. `low` is kept. */
  begin(low: Uint8Array | undefined, firstChild: number): void {
    assert(this.#count === 0, "the page before was finished");
    this.#hasLow = low !== undefined;
    this.#low = low ?? NOTHING;
    this.#firstChild = firstChild;
    this.#storeEnd = 0;
    this.#bytesMost = 0;
  }

  /** Whether the page can end before this key, which is behind all of it. */
  fitsBefore(key: Uint8Array, keyBytes: number): boolean {
    return this.#fits(this.#commonWithLow(key, keyBytes));
  }

  /** Whether the page can be the last of its level. */
  fitsAsLast(): boolean {
    return this.#fits(0);
  }

  /** Takes an entry; there must have been a `fitsBefore` with its key. */
  add(entry: FillerEntry): void {
    const { key, keyBytes, tail, tailFrom, tailTo } = entry;
    const tailBytes = tailTo - tailFrom;
    const fixed = this.#fixedBytes;
    const index = this.#count++;
    const at = this.#storeEnd;
    assert(index < ENTRIES_MAX && keyBytes <= TREE_KEY_BYTES_MAX, "an entry fits a page");
    const store = this.#store;
    this.#writeFixed(at, entry);
    copyBytes(store, at + fixed, key, 0, keyBytes);
    copyBytes(store, at + fixed + keyBytes, tail, tailFrom, tailBytes);
    this.#at[index] = at;
    this.#keyBytes[index] = keyBytes;
    this.#tailBytes[index] = tailBytes;
    this.#flags[index] = entry.flags;
    this.#storeEnd = at + fixed + keyBytes + tailBytes;
    this.#bytesMost += ENTRY_BYTES + fixed + keyBytes + tailBytes;
  }

  /**
   * Writes the page under way with all its entries, with no number and no right sibling yet.
   *
   * @param next The first key behind the page; `undefined` if there is none.
   */
  finish(target: PageView, next: Uint8Array | undefined): void {
    const prefix = next === undefined ? 0 : this.#commonWithLow(next, next.length);
    assert(this.#fits(prefix), "a page ends where it fits");
    const shape: TreePageShape = {
      id: 0 as PageId,
      level: this.#level,
      treeId: this.#treeId,
      next: 0 as PageId,
      firstChild: this.#firstChild as PageId,
    };
    this.#editor.format(target, shape, this.#low.slice(0, prefix));
    for (let index = 0; index < this.#count; index++) this.#writeEntry(target, index, prefix);
    this.#count = 0;
    this.#bytesMost = 0;
  }

  /** Takes the last entry away again, for it belongs to a page of its own. */
  takeLast(entry: FillerEntry): void {
    const index = --this.#count;
    assert(index >= 0, "a page that is emptied has entries");
    const at = this.#at[index]!;
    const keyFrom = at + this.#fixedBytes;
    const tailFrom = keyFrom + this.#keyBytes[index]!;
    entry.flags = this.#flags[index]!;
    entry.key = this.#store.slice(keyFrom, tailFrom);
    entry.keyBytes = this.#keyBytes[index]!;
    entry.tail = this.#store.slice(tailFrom, tailFrom + this.#tailBytes[index]!);
    entry.tailFrom = 0;
    entry.tailTo = entry.tail.length;
    if (this.#level > 0) entry.child = readU32(this.#store, at);
    this.#storeEnd = at;
    this.#bytesMost -= ENTRY_BYTES + tailFrom - at + entry.tail.length;
  }

  /** The last key, copied. */
  lastKey(): Uint8Array {
    const index = this.#count - 1;
    const from = this.#at[index]! + this.#fixedBytes;
    return this.#store.slice(from, from + this.#keyBytes[index]!);
  }

  /** Length of what the last key and this one begin with. */
  commonWithLast(key: Uint8Array, keyBytes: number): number {
    const index = this.#count - 1;
    const from = this.#at[index]! + this.#fixedBytes;
    const most = Math.min(this.#keyBytes[index]!, keyBytes);
    let common = 0;
    while (common < most && this.#store[from + common] === key[common]) common++;
    return common;
  }

  #commonWithLow(key: Uint8Array, keyBytes: number): number {
    const low = this.#low;
    const most = Math.min(low.length, keyBytes);
    let common = 0;
    while (common < most && low[common] === key[common]) common++;
    return common;
  }

  #fits(prefix: number): boolean {
    const room = PAGE_BYTES - SLACK_BYTES - entriesOffset(prefix);
    return this.#bytesMost <= room || this.#bytesWith(prefix) <= room;
  }

  #bytesWith(prefix: number): number {
    const saved = prefix + HEAD_BYTES;
    let bytes = this.#bytesMost;
    for (let index = 0; index < this.#count; index++) {
      const length = this.#keyBytes[index]!;
      bytes -= length < saved ? length : saved;
    }
    return bytes;
  }

  #writeFixed(at: number, entry: FillerEntry): void {
    const store = this.#store;
    if (this.#level > 0) {
      store[at] = entry.child;
      store[at + 1] = entry.child >>> 8;
      store[at + 2] = entry.child >>> 16;
      store[at + 3] = entry.child >>> 24;
      return;
    }
    const { versionHigh, versionLow } = entry;
    store[at] = versionHigh >>> 16;
    store[at + 1] = versionHigh >>> 8;
    store[at + 2] = versionHigh;
    store[at + 3] = versionLow >>> 24;
    store[at + 4] = versionLow >>> 16;
    store[at + 5] = versionLow >>> 8;
    store[at + 6] = versionLow;
    const bytes = entry.tailTo - entry.tailFrom;
    store[at + VERSION_BYTES] = bytes;
    store[at + VERSION_BYTES + 1] = bytes >>> 8;
  }

  #writeEntry(target: PageView, index: number, prefix: number): void {
    const { u8, u16, u32, base } = target;
    const store = this.#store;
    const fixed = this.#fixedBytes;
    const from = this.#at[index]!;
    const keyBytes = this.#keyBytes[index]!;
    const suffix = keyBytes - prefix;
    const rest = suffix > HEAD_BYTES ? suffix - HEAD_BYTES : 0;
    const tailAndRest = rest + this.#tailBytes[index]!;
    const start = u16[(base + HEAP_START_OFFSET) >>> 1]! - fixed - tailAndRest;
    copyBytes(u8, base + start, store, from, fixed);
    const restFrom = from + fixed + keyBytes - rest;
    copyBytes(u8, base + start + fixed, store, restFrom, tailAndRest);
    const word = ((base + entriesOffset(prefix)) >>> 2) + 2 * index;
    u32[word] = headOf(store, from + fixed + prefix, suffix);
    u16[2 * word + 2] = start;
    u16[2 * word + 3] = suffix | this.#flags[index]!;
    u16[(base + HEAP_START_OFFSET) >>> 1] = start;
    u16[(base + COUNT_OFFSET) >>> 1] = index + 1;
  }
}

/** An entry on its way into a page. Of version and child only that of its level counts. */
export interface FillerEntry {
  /** Key bytes: the first `keyBytes`. */
  key: Uint8Array;
  keyBytes: number;
  /** As in the page's info: 0, `INFO_TOMBSTONE` or `INFO_OVERFLOW`. */
  flags: number;
  versionHigh: number;
  versionLow: number;
  child: number;
  /** What stands behind the key: a leaf's value. */
  tail: Uint8Array;
  tailFrom: number;
  tailTo: number;
}

export function newFillerEntry(): FillerEntry {
  return {
    key: NOTHING,
    keyBytes: 0,
    flags: 0,
    versionHigh: 0,
    versionLow: 0,
    child: 0,
    tail: NOTHING,
    tailFrom: 0,
    tailTo: 0,
  };
}

const NOTHING = new Uint8Array(0);

function readU32(bytes: Uint8Array, at: number): number {
  const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  return (low | (bytes[at + 3]! << 24)) >>> 0;
}
