import { type OverflowValue, TREE_KEY_BYTES_MAX } from "@kvs/btree";
import { assert } from "@kvs/env";
import { type Timestamp } from "./timestamp.ts";

/** Entries and bytes of one batch at most: about a millisecond of work. */
const BATCH_ENTRIES_MAX = 512;
const BATCH_BYTES_SOFT: number = 1 << 20;

/**
 * Some entries of a scan, in order, with their bytes in one piece of memory of the reader's own: no
 * object is made for an entry. `key` and `value` are views of it, so who keeps one for long keeps all;
 * `slice` it then.
 */
export class EntryBatch {
  readonly count: number;
  readonly #bytes: Uint8Array;
  /** Of each entry where key and value end; an entry begins where the one before ends. */
  readonly #ends: Uint32Array;
  readonly #versions: Float64Array;
  readonly #long: ReadonlyMap<number, Uint8Array>;

  constructor(parts: EntryBatchParts) {
    this.count = parts.versions.length;
    this.#bytes = parts.bytes;
    this.#ends = parts.ends;
    this.#versions = parts.versions;
    this.#long = parts.long;
  }

  /** @param index 0 to `count` − 1. */
  key(index: number): Uint8Array {
    return this.#bytes.subarray(this.#startOf(index), this.#ends[2 * index]);
  }

  value(index: number): Uint8Array {
    const long = this.#long.size === 0 ? undefined : this.#long.get(index);
    return long ?? this.#bytes.subarray(this.#ends[2 * index], this.#ends[2 * index + 1]);
  }

  /** Timestamp of the batch of mutations that wrote the value. */
  version(index: number): Timestamp {
    return this.#versions[index]!;
  }

  #startOf(index: number): number {
    assert(index >= 0 && index < this.count, "an entry of a batch has a number below its count");
    return index === 0 ? 0 : this.#ends[2 * index - 1]!;
  }
}

export interface EntryBatchParts {
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  readonly versions: Float64Array;
  readonly long: ReadonlyMap<number, Uint8Array>;
}

/** Where a long value of a batch is to be read from. */
export interface LongEntry {
  readonly index: number;
  readonly overflow: OverflowValue;
}

/** Gathers entries, one behind the other, and makes batches of them. Serves one scan. */
export class EntryGatherer {
  readonly #long: LongEntry[] = [];
  #bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  #ends: Uint32Array = new Uint32Array(2 * FIRST_ENTRIES);
  #versions: Float64Array = new Float64Array(FIRST_ENTRIES);
  #end = 0;
  #longBytes = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === BATCH_ENTRIES_MAX || this.#end + this.#longBytes >= BATCH_BYTES_SOFT;
  }

  get long(): readonly LongEntry[] {
    return this.#long;
  }

  /** Makes room for an entry of so many bytes, with the longest key. Returns where its key goes. */
  reserve(valueBytes: number): number {
    const needed = this.#end + TREE_KEY_BYTES_MAX + valueBytes;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    return this.#end;
  }

  /** Where `reserve` made room. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Takes the entry whose key and value were written behind `reserve`d room. */
  push(keyBytes: number, valueBytes: number, version: Timestamp): void {
    const index = this.#count++;
    if (index === this.#versions.length) this.#growNumbers();
    const keyEnd = this.#end + keyBytes;
    this.#ends[2 * index] = keyEnd;
    this.#ends[2 * index + 1] = keyEnd + valueBytes;
    this.#versions[index] = version;
    this.#end = keyEnd + valueBytes;
  }

  /** Says that the entry pushed last has its value in pages of its own. */
  noteLong(overflow: OverflowValue): void {
    this.#long.push({ index: this.#count - 1, overflow });
    this.#longBytes += overflow.length;
  }

  #growNumbers(): void {
    const ends = new Uint32Array(2 * this.#ends.length);
    const versions = new Float64Array(2 * this.#versions.length);
    ends.set(this.#ends);
    versions.set(this.#versions);
    this.#ends = ends;
    this.#versions = versions;
  }

  /** The entries so far as a batch; begins the next. */
  take(long: ReadonlyMap<number, Uint8Array>): EntryBatch {
    const batch = new EntryBatch({
      bytes: this.#bytes.slice(0, this.#end),
      ends: this.#ends.slice(0, 2 * this.#count),
      versions: this.#versions.slice(0, this.#count),
      long,
    });
    this.#long.length = 0;
    this.#end = 0;
    this.#longBytes = 0;
    this.#count = 0;
    return batch;
  }
}

/** Small at first: most scans are short. */
const FIRST_BYTES: number = 4 << 10;
const FIRST_ENTRIES = 16;
