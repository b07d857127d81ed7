import { compareBytes } from "@kvs/codec";
import {
  Cursor,
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  NEWEST_VERSION,
  OverflowReader,
  Probe,
  TREE_KEY_BYTES_MAX,
  type TreeState,
  type ValuePacking,
  cellValueAt,
  cellValueLength,
  copyBytes,
  copyKey,
  entryCount,
  entryInfo,
  hasSameKey,
  leafVersion,
  readOverflow,
} from "@kvs/btree";
import { type PageView, type Pager } from "@kvs/pager";
import { type EntryBatch, EntryGatherer } from "./entry-batch.ts";
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

/** What to scan. */
export interface ScanSource {
  readonly pager: Pager;
  readonly tree: TreeState;
  /** What restores compressed values. */
  readonly packing: ValuePacking;
}

/** One key of a scan, with bytes of its own. */
export interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: Timestamp;
}

/** Rows that one step looks at at most: old versions and tombstones give no entry. */
const STEP_ROWS = 4096;

/**
 * Walks over the keys of a range as of one timestamp, in steps. Of each key's versions it takes the
 * newest that is not newer than the timestamp, and leaves out keys that are deleted there.
 *
 * The caller keeps a snapshot at the timestamp.
 *
 * Cost, forward: rows of one leaf are read in one go; two copies an entry, no object.
 */
export class Scan {
  readonly #pager: Pager;
  readonly #packing: ValuePacking;
  readonly #cursor: Cursor;
  readonly #range: ScanRange;
  readonly #timestamp: Timestamp;
  readonly #found = new EntryGatherer();
  #left: number;
  #isDone = false;
  /** Forward: the last key that was decided. Reverse: the key whose versions are being seen. */
  readonly #key: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);
  #keyBytes = -1;
  /** Reverse: whether the newest visible version of `#key` so far is a value, and that. */
  #hasCandidate = false;
  #candidateValue: Uint8Array = NO_BYTES;
  #candidateBytes = 0;
  #candidateVersion: Timestamp = 0;
  #candidateIsLong = false;
  readonly #edge: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX);

  constructor(source: ScanSource, range: ScanRange, timestamp: Timestamp) {
    const { pager, tree, packing } = source;
    this.#pager = pager;
    this.#packing = packing;
    this.#range = range;
    this.#timestamp = timestamp;
    this.#left = range.limit ?? Number.POSITIVE_INFINITY;
    this.#cursor = new Cursor(tree, pager);
    this.#cursor.place(startOf(range));
  }

  /** The next entries, in order; none at the end. */
  async next(): Promise<EntryBatch> {
    const found = this.#found;
    while (found.count === 0 && !this.#isDone && this.#left > 0) {
      await this.#pager.attempt(() => this.#gather());
    }
    if (found.long.length === 0) return found.take(NO_LONG_VALUES);
    const values = new Map<number, Uint8Array>();
    for (const { index, overflow } of found.long) {
      const reader = new OverflowReader(this.#pager, overflow, this.#packing);
      values.set(index, await this.#pager.attempt(() => reader.read()));
    }
    return found.take(values);
  }

  /** Adds to `#found` until it is enough; may be left by a page miss, and goes on. */
  #gather(): void {
    if (this.#range.reverse === true) this.#gatherReverse();
    else this.#gatherForward();
  }

  #isEnough(): boolean {
    return this.#left <= 0 || this.#found.isFull;
  }

  #gatherForward(): void {
    const cursor = this.#cursor;
    for (let rows = 0; rows < STEP_ROWS && !this.#isEnough();) {
      if (!cursor.next() || this.#isBeyond(cursor.key, cursor.keyBytes)) {
        this.#isDone = true;
        return;
      }
      rows += this.#takeLeaf();
    }
  }

  /** Takes rows of the leaf from the cursor's on, and moves it to the last one. Returns how many. */
  #takeLeaf(): number {
    const { view, slot: first } = this.#cursor;
    const end = this.#endWithin(view);
    let isDecided = this.#isKey(this.#cursor.key, this.#cursor.keyBytes);
    let slot = first;
    for (;;) {
      if (!isDecided && leafVersion(view, slot) <= this.#timestamp) {
        isDecided = true;
        if ((entryInfo(view, slot) & INFO_TOMBSTONE) === 0) this.#add(view, slot);
      }
      if (slot + 1 >= end || this.#isEnough()) break;
      slot++;
      if (isDecided) isDecided = hasSameKey(view, slot - 1, slot);
    }
    this.#cursor.skipTo(slot);
    if (isDecided) this.#remember();
    return slot - first + 1;
  }

  /** The end of the leaf's rows that are surely within the range, the cursor's included. */
  #endWithin(view: PageView): number {
    const count = entryCount(view);
    const { lt, lte } = this.#range;
    if ((lt ?? lte) === undefined) return count;
    let end = count;
    while (end > this.#cursor.slot + 1) {
      if (!this.#isBeyond(this.#edge, copyKey(view, end - 1, this.#edge))) break;
      end--;
    }
    return end;
  }

  #add(view: PageView, slot: number): void {
    const found = this.#found;
    const isLong = (entryInfo(view, slot) & INFO_OVERFLOW) !== 0;
    const from = cellValueAt(view, slot);
    const length = cellValueLength(view, slot);
    const at = found.reserve(length);
    const keyBytes = copyKey(view, slot, found.bytes, at);
    if (!isLong) copyBytes(found.bytes, at + keyBytes, view.u8, from, length);
    found.push(keyBytes, isLong ? 0 : length, leafVersion(view, slot));
    if (isLong) found.noteLong(readOverflow(view.u8, from, from + length));
    this.#left--;
  }

  #gatherReverse(): void {
    const cursor = this.#cursor;
    for (let rows = 0; rows < STEP_ROWS && !this.#isEnough(); rows++) {
      if (!cursor.previous() || this.#isBeyond(cursor.key, cursor.keyBytes)) {
        this.#isDone = true;
        this.#takeCandidate();
        return;
      }
      if (!this.#isKey(cursor.key, cursor.keyBytes)) {
        this.#takeCandidate();
        this.#remember();
      }
      if (cursor.version > this.#timestamp) continue;
      this.#hasCandidate = !cursor.isTombstone;
      if (this.#hasCandidate) this.#holdCandidate();
    }
  }

  /** Reverse: keeps the current row until all versions of its key were seen. */
  #holdCandidate(): void {
    const { view, slot, version, isLong } = this.#cursor;
    const from = cellValueAt(view, slot);
    const length = cellValueLength(view, slot);
    if (this.#candidateValue.length < length) this.#candidateValue = new Uint8Array(2 * length);
    copyBytes(this.#candidateValue, 0, view.u8, from, length);
    this.#candidateBytes = length;
    this.#candidateVersion = version;
    this.#candidateIsLong = isLong;
  }

  /** Reverse: all versions of the candidate's key were seen. */
  #takeCandidate(): void {
    if (!this.#hasCandidate || this.#left <= 0) return;
    this.#hasCandidate = false;
    const found = this.#found;
    const length = this.#candidateBytes;
    const at = found.reserve(length);
    copyBytes(found.bytes, at, this.#key, 0, this.#keyBytes);
    if (!this.#candidateIsLong) {
      copyBytes(found.bytes, at + this.#keyBytes, this.#candidateValue, 0, length);
    }
    found.push(this.#keyBytes, this.#candidateIsLong ? 0 : length, this.#candidateVersion);
    if (this.#candidateIsLong) found.noteLong(readOverflow(this.#candidateValue, 0, length));
    this.#left--;
  }

  /** Makes the cursor's key the one that is decided, or being seen. */
  #remember(): void {
    this.#keyBytes = this.#cursor.keyBytes;
    copyBytes(this.#key, 0, this.#cursor.key, 0, this.#keyBytes);
  }

  #isKey(key: Uint8Array, keyBytes: number): boolean {
    if (this.#keyBytes !== keyBytes) return false;
    const own = this.#key;
    for (let at = 0; at < keyBytes; at++) if (own[at] !== key[at]) return false;
    return true;
  }

  /** Whether a key is outside the range, on the side that the scan goes to. */
  #isBeyond(bytes: Uint8Array, keyBytes: number): boolean {
    const { gt, gte, lt, lte, reverse } = this.#range;
    const isOpen = reverse === true ? (gt ?? gte) === undefined : (lt ?? lte) === undefined;
    if (isOpen) return false;
    const key = bytes.subarray(0, keyBytes);
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
const NO_LONG_VALUES: ReadonlyMap<number, Uint8Array> = new Map();
