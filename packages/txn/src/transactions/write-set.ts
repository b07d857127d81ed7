import { type ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import { writeMutation } from "../batch-format.ts";
import { type NameRange, isInRange, keyOfName, treeOfName } from "./key-name.ts";

/** A delete, where the length of a value would be. */
const DELETED = -1;
/** Values lie in pieces of memory: the first one small, for most transactions write little. */
const FIRST_PIECE_BYTES = 256;
const PIECE_BYTES = 4096;
/** Numbers of a write: its piece × 4096 + its place there, the length, the key's write before or −1. */
const ADDRESS = 0;
const LENGTH = 1;
const BEFORE = 2;
const NUMBERS = 3;
/** Writes for which there is room at first: as many as V8 keeps on its own heap. */
const FIRST_WRITES = 4;
const GROWTH = 1.5;
/** What a write takes besides key and value: its places in maps and lists, and its lock. */
const WRITE_OVERHEAD_BYTES = 150;

/** What a transaction wrote to a key: a value, or `undefined` for a delete. */
export interface OwnWrite {
  readonly value: Uint8Array | undefined;
}

/**
 * What a transaction has written and not committed. Values lie one behind the other in pieces of
 * memory, so that a write costs its bytes and little more, and no object.
 */
export class WriteSet {
  /** Where each key's latest write is. */
  readonly #places = new Map<string, number>();
  readonly #pieces: Uint8Array[] = [];
  /** How much of the last piece is used. */
  #used = 0;
  #valueBytes = 0;
  /** By place: its numbers. */
  #entries: Int32Array | undefined;
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
    return this.#valueBytes + this.#nameBytes + this.#names.length * WRITE_OVERHEAD_BYTES;
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
    const piece = this.#pieceFor(value.length);
    piece.set(value, this.#used);
    this.#add(name, value.length);
    this.#used += value.length;
    this.#valueBytes += value.length;
  }

  delete(name: string): void {
    this.#add(name, DELETED);
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
      const before = this.#number(place, BEFORE);
      this.#nameBytes -= name.length;
      if (before >= 0) this.#places.set(name, before);
      else {
        this.#places.delete(name);
        this.#sorted = undefined;
      }
      this.#takeBack(this.#number(place, ADDRESS), this.#number(place, LENGTH));
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
    const length = this.#number(place, LENGTH);
    if (length === DELETED) return undefined;
    const address = this.#number(place, ADDRESS);
    const from = address % PIECE_BYTES;
    return this.#pieces[Math.floor(address / PIECE_BYTES)]!.subarray(from, from + length);
  }

  /** The room of the latest value is free again. */
  #takeBack(address: number, length: number): void {
    if (length === DELETED) return;
    this.#pieces.length = Math.floor(address / PIECE_BYTES) + 1;
    this.#used = address % PIECE_BYTES;
    this.#valueBytes -= length;
  }

  #number(place: number, which: number): number {
    return this.#entries![place * NUMBERS + which]!;
  }

  #add(name: string, length: number): void {
    const place = this.#names.length;
    const before = this.#places.get(name);
    const entries = this.#entriesFor(place);
    entries[place * NUMBERS + ADDRESS] = (this.#pieces.length - 1) * PIECE_BYTES + this.#used;
    entries[place * NUMBERS + LENGTH] = length;
    entries[place * NUMBERS + BEFORE] = before ?? -1;
    this.#names.push(name);
    this.#nameBytes += name.length;
    if (before === undefined) this.#sorted = undefined;
    this.#places.set(name, place);
  }

  /** The piece whose next bytes are free, as many as these. A value lies in one, or has its own. */
  #pieceFor(bytes: number): Uint8Array {
    const last = this.#pieces.at(-1);
    const isFull = this.#used >= PIECE_BYTES || last === undefined;
    if (!isFull && this.#used + bytes <= last.length) return last;
    const usual = last === undefined ? FIRST_PIECE_BYTES : PIECE_BYTES;
    const piece = new Uint8Array(Math.max(bytes, usual));
    this.#pieces.push(piece);
    this.#used = 0;
    return piece;
  }

  #entriesFor(place: number): Int32Array {
    const entries = (this.#entries ??= new Int32Array(FIRST_WRITES * NUMBERS));
    if ((place + 1) * NUMBERS <= entries.length) return entries;
    const grown = new Int32Array(Math.ceil(place * GROWTH) * NUMBERS);
    grown.set(entries);
    this.#entries = grown;
    return grown;
  }
}

/** Names are text of bytes: their order is that of their code units. */
function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
