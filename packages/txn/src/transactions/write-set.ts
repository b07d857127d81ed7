import { type ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import { writeMutation } from "../batch-format.ts";
import { type NameRange, isInRange, keyOfName, treeOfName } from "./key-name.ts";

/** A delete, where the length of a value would be. */
const DELETED = -1;
const FIRST_BYTES = 256;
const FIRST_ENTRIES = 8;
/** What a write takes besides key and value: its place in the map, its name's head, three numbers. */
const WRITE_OVERHEAD_BYTES = 80;

/** What a transaction wrote to a key: a value, or `undefined` for a delete. */
export interface OwnWrite {
  readonly value: Uint8Array | undefined;
}

/**
 * What a transaction has written and not committed. Values lie one behind the other in one piece of
 * memory, so that a write costs its bytes and some 80 more, and no object.
 */
export class WriteSet {
  /** Where each key's latest write is. */
  readonly #places = new Map<string, number>();
  #bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  #end = 0;
  /** By place: where the value begins, and its length or `DELETED`. */
  #from = new Uint32Array(FIRST_ENTRIES);
  #length = new Int32Array(FIRST_ENTRIES);
  /** By place: the place that the key had before, −1 for none. */
  #before = new Int32Array(FIRST_ENTRIES);
  readonly #names: string[] = [];
  #nameBytes = 0;
  /** Names in order, made when a range is asked for. */
  #sorted: string[] | undefined;

  /** Keys written. */
  get size(): number {
    return this.#places.size;
  }

  /** Bytes that it takes, about. */
  get sizeBytes(): number {
    return this.#end + this.#nameBytes + this.#names.length * WRITE_OVERHEAD_BYTES;
  }

  /** Every key written, in no order. */
  names(): IterableIterator<string> {
    return this.#places.keys();
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** The latest write of a key; its value is a view, valid until the next write. */
  get(name: string): OwnWrite | undefined {
    const place = this.#places.get(name);
    if (place === undefined) return undefined;
    return { value: this.#valueAt(place) };
  }

  put(name: string, value: Uint8Array): void {
    const from = this.#reserve(value.length);
    this.#bytes.set(value, from);
    this.#end = from + value.length;
    this.#add(name, from, value.length);
  }

  delete(name: string): void {
    this.#add(name, this.#end, DELETED);
  }

  /** A moment to go back to. */
  mark(): number {
    return this.#names.length;
  }

  /** Takes back every write since `mark` told this. */
  rollbackTo(mark: number): void {
    assert(mark <= this.#names.length, "a savepoint lies in the past");
    while (this.#names.length > mark) {
      const place = this.#names.length - 1;
      const name = this.#names.pop()!;
      const before = this.#before[place]!;
      this.#nameBytes -= name.length;
      if (before >= 0) this.#places.set(name, before);
      else {
        this.#places.delete(name);
        this.#sorted = undefined;
      }
      this.#end = this.#from[place]!;
    }
  }

  /** Names written in a range, in order. */
  namesIn(range: NameRange): string[] {
    this.#sorted ??= [...this.#places.keys()].toSorted(compareNames);
    return this.#sorted.filter((name) => isInRange(name, range));
  }

  /** Encodes all of it as a batch. */
  encode(writer: ByteWriter): void {
    writer.reset();
    writer.varint(this.#places.size);
    for (const [name, place] of this.#places) {
      writeMutation(writer, treeOfName(name), keyOfName(name), this.#valueAt(place));
    }
  }

  #valueAt(place: number): Uint8Array | undefined {
    const length = this.#length[place]!;
    if (length === DELETED) return undefined;
    const from = this.#from[place]!;
    return this.#bytes.subarray(from, from + length);
  }

  // oxlint-disable-next-line eslint/max-params -- an entry of three arrays
  #add(name: string, from: number, length: number): void {
    const place = this.#names.length;
    if (place === this.#from.length) this.#growEntries();
    this.#from[place] = from;
    this.#length[place] = length;
    this.#before[place] = this.#places.get(name) ?? -1;
    this.#names.push(name);
    this.#nameBytes += name.length;
    if (!this.#places.has(name)) this.#sorted = undefined;
    this.#places.set(name, place);
  }

  #reserve(bytes: number): number {
    const needed = this.#end + bytes;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    return this.#end;
  }

  #growEntries(): void {
    const length = 2 * this.#from.length;
    const from = new Uint32Array(length);
    const lengths = new Int32Array(length);
    const before = new Int32Array(length);
    from.set(this.#from);
    lengths.set(this.#length);
    before.set(this.#before);
    this.#from = from;
    this.#length = lengths;
    this.#before = before;
  }
}

/** Names are text of bytes: their order is that of their code units. */
function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
