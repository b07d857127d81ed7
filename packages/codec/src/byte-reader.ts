import { assert } from "@kvs/env";
import { codecError, truncated } from "./codec-error.ts";
import { readFloat64LittleEndian } from "./float64.ts";
import { decodeUtf8 } from "./utf8.ts";
import { readVarint, varintLength } from "./varint.ts";

/**
 * Reads fields from bytes, one after the other, and never past their end: what is not there is
 * `CODEC_TRUNCATED`. After an error the position is where the failed field began.
 *
 * Integers are little-endian unless the name says `be`. The bytes belong to the caller and must not
 * change while they are read. One reader can serve for many inputs: see {@link ByteReader.reset}.
 *
 * Every read throws {KvsError} `CODEC_TRUNCATED` if the field does not end within the input.
 */
export class ByteReader {
  #bytes: Uint8Array;
  #position: number;
  #end: number;

  /** Reads the bytes in [from, to). */
  constructor(bytes: Uint8Array, from = 0, to: number = bytes.length) {
    assert(from >= 0 && from <= to && to <= bytes.length, "the range lies within the bytes");
    this.#bytes = bytes;
    this.#position = from;
    this.#end = to;
  }

  /** Starts over, with other bytes. Allocates nothing. */
  reset(bytes: Uint8Array, from = 0, to: number = bytes.length): void {
    assert(from >= 0 && from <= to && to <= bytes.length, "the range lies within the bytes");
    this.#bytes = bytes;
    this.#position = from;
    this.#end = to;
  }

  /** Offset of the next byte to read, counted from the start of the bytes, not of the range. */
  get position(): number {
    return this.#position;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#end - this.#position;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    const at = this.#take(2);
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8);
  }

  u16be(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  u32(): number {
    return this.#u32At(this.#take(4));
  }

  u32be(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    const high = (bytes[at]! << 8) | bytes[at + 1]!;
    return high * 0x1_0000 + ((bytes[at + 2]! << 8) | bytes[at + 3]!);
  }

  /** An integer of six bytes. */
  u48(): number {
    const at = this.#take(6);
    const high = this.#bytes[at + 4]! | (this.#bytes[at + 5]! << 8);
    return high * 0x1_0000_0000 + this.#u32At(at);
  }

  /**
   * An integer of eight bytes in [0, 2^53), such as an LSN. No `bigint` is made.
   *
   * @throws {KvsError} `CODEC_OUT_OF_RANGE` if it is larger.
   */
  u64(): number {
    const at = this.#take(8);
    const high = this.#u32At(at + 4);
    if (high > 0x1f_ffff) {
      this.#position = at;
      const message = `the integer at offset ${at} exceeds 2^53 - 1`;
      throw codecError("CODEC_OUT_OF_RANGE", message, { offset: at });
    }
    return high * 0x1_0000_0000 + this.#u32At(at);
  }

  f64(): number {
    return readFloat64LittleEndian(this.#bytes, this.#take(8));
  }

  /** An integer in [0, 2^53); also throws as `readVarint` does. */
  varint(): number {
    const value = readVarint(this.#bytes, this.#position, this.#end);
    this.#position += varintLength(value);
    return value;
  }

  /**
   * The next `count` bytes, as a view: it shows what later happens to the input. Use
   * {@link ByteReader.copy} for bytes to keep.
   */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** The next `count` bytes, copied. Nothing is allocated unless they are there. */
  copy(count: number): Uint8Array {
    const view = this.bytes(count);
    const copied = new Uint8Array(count);
    copied.set(view);
    return copied;
  }

  /** A text of `count` bytes. @throws {KvsError} `CODEC_INVALID_UTF8`. */
  string(count: number): string {
    const at = this.#take(count);
    return this.#textAt(at, at, at + count);
  }

  /** Bytes that follow their count, a varint; as a view. */
  varBytes(): Uint8Array {
    const before = this.#position;
    const count = this.varint();
    const at = this.#takeAfter(before, count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A text that follows its count of bytes, a varint. @throws {KvsError} `CODEC_INVALID_UTF8`. */
  varString(): string {
    const before = this.#position;
    const count = this.varint();
    const at = this.#takeAfter(before, count);
    return this.#textAt(before, at, at + count);
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** @throws {KvsError} `CODEC_MALFORMED` if bytes are left. */
  expectEnd(): void {
    if (this.#position === this.#end) return;
    const details = { offset: this.#position, end: this.#end };
    const message = `${this.remaining} bytes are left over at offset ${this.#position}`;
    throw codecError("CODEC_MALFORMED", message, details);
  }

  /** Moves past `count` bytes and returns where they begin. */
  #take(count: number): number {
    const at = this.#position;
    assert(Number.isSafeInteger(count) && count >= 0, "a count of bytes is an integer >= 0");
    if (count > this.#end - at) throw truncated(at, count, this.#end);
    this.#position = at + count;
    return at;
  }

  /** As `#take`, but a failure goes back to `before`, where the count stood. */
  #takeAfter(before: number, count: number): number {
    const at = this.#position;
    if (count > this.#end - at) this.#position = before;
    if (count > this.#end - at) throw truncated(at, count, this.#end);
    this.#position = at + count;
    return at;
  }

  #textAt(before: number, from: number, to: number): string {
    this.#position = before;
    const text = decodeUtf8(this.#bytes, from, to);
    this.#position = to;
    return text;
  }

  #u32At(at: number): number {
    const bytes = this.#bytes;
    const high = bytes[at + 2]! | (bytes[at + 3]! << 8);
    return high * 0x1_0000 + (bytes[at]! | (bytes[at + 1]! << 8));
  }
}
