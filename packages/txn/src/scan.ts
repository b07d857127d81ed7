import { compareBytes } from "@kvs/codec";
import {
  Cursor,
  NEWEST_VERSION,
  OverflowReader,
  type OverflowValue,
  Probe,
  TREE_KEY_BYTES_MAX,
  type TreeState,
  cellValueAt,
  cellValueLength,
  readOverflow,
} from "@kvs/btree";
import { type Pager } from "@kvs/pager";
import { BytePool } from "./byte-pool.ts";
import { type Timestamp } from "./timestamp.ts";

/** Which keys to scan, and how. Bounds are keys; an absent one is open. */
export interface ScanRange {
  readonly gt?: Uint8Array;
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
  /** From the last key to the first. Default: false. */
  readonly reverse?: boolean;
  /** Entries at most. Default: all. */
  readonly limit?: number;
}

/** One key of a scan, with bytes of its own. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: Timestamp;
}

/** Entries and bytes that one step gathers at most: about a millisecond of work. */
const STEP_ENTRIES = 512;
const STEP_BYTES: number = 1 << 20;
/** Rows that one step looks at at most: old versions and tombstones give no entry. */
const STEP_ROWS = 4096;

/** An entry whose value is still in pages of its own. */
interface LongEntry {
  readonly key: Uint8Array;
  readonly version: Timestamp;
  readonly overflow: OverflowValue;
}

/**
 * Walks over the keys of a range as of one timestamp, in steps. Of each key's versions it takes the
 * newest that is not newer than the timestamp, and leaves out keys that are deleted there.
 *
 * The caller keeps a snapshot at the timestamp.
 */
export class Scan {
  readonly #pager: Pager;
  readonly #cursor: Cursor;
  readonly #range: ScanRange;
  readonly #timestamp: Timestamp;
  readonly #copies = new BytePool();
  #left: number;
  #isDone = false;
  #found: Entry[] = [];
  #foundBytes = 0;
  /** The long ones among `#found`, and their places in it: their values are empty so far. */
  #long: { readonly at: number; readonly entry: LongEntry }[] = [];
  /** Forward: the key that is decided. Reverse: the key of the candidate. */
  #key: Uint8Array | undefined = undefined;
  /** Reverse: the newest visible version of `#key` so far, unless it is deleted. */
  #candidate: Entry | LongEntry | undefined = undefined;

  constructor(pager: Pager, tree: TreeState, range: ScanRange, timestamp: Timestamp) {
    this.#pager = pager;
    this.#range = range;
    this.#timestamp = timestamp;
    this.#left = range.limit ?? Number.POSITIVE_INFINITY;
    this.#cursor = new Cursor(tree, pager);
    this.#cursor.place(startOf(range));
  }

  /** The next entries, in order; an empty array at the end. */
  async next(): Promise<Entry[]> {
    this.#found = [];
    this.#foundBytes = 0;
    this.#long = [];
    while (this.#found.length === 0 && !this.#isDone && this.#left > 0) {
      await this.#pager.attempt(() => this.#gather());
    }
    for (const { at, entry } of this.#long) {
      const { key, version, overflow } = entry;
      const reader = new OverflowReader(this.#pager, overflow);
      const value = await this.#pager.attempt(() => reader.read());
      this.#found[at] = { key, version, value };
    }
    return this.#found;
  }

  /** Adds to `#found` until it is enough; may be left by a page miss, and goes on. */
  #gather(): void {
    const isReverse = this.#range.reverse === true;
    for (let rows = 0; rows < STEP_ROWS && !this.#isEnough(); rows++) {
      const isRow = isReverse ? this.#cursor.previous() : this.#cursor.next();
      if (!isRow || this.#isBeyond()) {
        this.#isDone = true;
        if (isReverse) this.#settle();
        return;
      }
      if (isReverse) this.#takeReverse();
      else this.#takeForward();
    }
  }

  #isEnough(): boolean {
    const { length } = this.#found;
    return this.#left <= 0 || length >= STEP_ENTRIES || this.#foundBytes >= STEP_BYTES;
  }

  #takeForward(): void {
    const cursor = this.#cursor;
    if (cursor.version > this.#timestamp || this.#isSameKey()) return;
    this.#key = cursor.key.slice(0, cursor.keyBytes);
    if (!cursor.isTombstone) this.#add(this.#entryHere(this.#key));
  }

  #takeReverse(): void {
    const cursor = this.#cursor;
    if (!this.#isSameKey()) {
      this.#settle();
      this.#key = cursor.key.slice(0, cursor.keyBytes);
    }
    if (cursor.version > this.#timestamp) return;
    this.#candidate = cursor.isTombstone ? undefined : this.#entryHere(this.#key!);
  }

  /** Reverse: all versions of the candidate's key were seen. */
  #settle(): void {
    if (this.#candidate !== undefined) this.#add(this.#candidate);
    this.#candidate = undefined;
    this.#key = undefined;
  }

  #add(entry: Entry | LongEntry): void {
    if (this.#left <= 0) return;
    this.#left--;
    if ("value" in entry) {
      this.#found.push(entry);
      this.#foundBytes += entry.key.length + entry.value.length;
    } else {
      const { key, version, overflow } = entry;
      this.#long.push({ at: this.#found.length, entry });
      this.#found.push({ key, version, value: NO_BYTES });
      this.#foundBytes += key.length + overflow.length;
    }
  }

  #entryHere(key: Uint8Array): Entry | LongEntry {
    const { view, slot, version, isLong } = this.#cursor;
    const from = cellValueAt(view, slot);
    const to = from + cellValueLength(view, slot);
    if (isLong) return { key, version, overflow: readOverflow(view.u8, from, to) };
    return { key, version, value: this.#copies.copy(view.u8, from, to) };
  }

  #isSameKey(): boolean {
    const cursor = this.#cursor;
    const key = this.#key;
    if (key === undefined || key.length !== cursor.keyBytes) return false;
    for (let at = 0; at < key.length; at++) if (key[at] !== cursor.key[at]) return false;
    return true;
  }

  /** Whether the current row is outside the range, on the side that the scan goes to. */
  #isBeyond(): boolean {
    const { gt, gte, lt, lte, reverse } = this.#range;
    const isOpen = reverse === true ? (gt ?? gte) === undefined : (lt ?? lte) === undefined;
    if (isOpen) return false;
    const key = this.#cursor.key.subarray(0, this.#cursor.keyBytes);
    if (reverse === true) {
      if (gt !== undefined && compareBytes(key, gt) <= 0) return true;
      return gte !== undefined && compareBytes(key, gte) < 0;
    }
    if (lt !== undefined && compareBytes(key, lt) >= 0) return true;
    return lte !== undefined && compareBytes(key, lte) > 0;
  }
}

/** Where the scan begins: before the first row that may count, or behind the last. */
function startOf(range: ScanRange): Probe {
  const { gt, gte, lt, lte } = range;
  if (range.reverse === true) {
    const before = pickBound(lt, lte, (a, b) => compareBytes(a, b) <= 0);
    if (before === undefined) return new Probe().set(LAST_KEY, LAST_KEY.length, 0);
    const version = before === lt ? NEWEST_VERSION : 0;
    return new Probe().set(before, before.length, version);
  }
  const after = pickBound(gt, gte, (a, b) => compareBytes(a, b) >= 0);
  if (after === undefined) return new Probe().set(LAST_KEY, 0, NEWEST_VERSION);
  return new Probe().set(after, after.length, after === gt ? 0 : NEWEST_VERSION);
}

/** The tighter of an exclusive and an inclusive bound. */
function pickBound(
  exclusive: Uint8Array | undefined,
  inclusive: Uint8Array | undefined,
  isTighter: (exclusive: Uint8Array, inclusive: Uint8Array) => boolean,
): Uint8Array | undefined {
  if (exclusive === undefined || inclusive === undefined) return exclusive ?? inclusive;
  return isTighter(exclusive, inclusive) ? exclusive : inclusive;
}

/** No key of a store is at or behind it. */
const LAST_KEY: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX).fill(0xff);

const NO_BYTES = new Uint8Array(0);
