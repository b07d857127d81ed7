import { assert } from "@kvs/env";
import { codecError } from "./codec-error.ts";
import { writeFloat64LittleEndian } from "./float64.ts";
import { encodeUtf8Into, utf8Length } from "./utf8.ts";
import { varintLength, writeVarint } from "./varint.ts";

/** A writer's limit unless told otherwise: one largest batch (64 MiB) and as much again. */
export const WRITER_MAX_BYTES: number = 128 << 20;
/** What `reset` keeps of the storage: enough for a steady flow, too little to waste. */
const KEPT_BYTES = 1 << 20;

export interface ByteWriterOptions {
  /** Storage at the start, at least 1. Default: 256. It doubles when it is full. */
  readonly initialBytes?: number;
  /** Longest output. Default: `WRITER_MAX_BYTES`. */
  readonly maxBytes?: number;
}

/**
 * Appends fields to storage that grows. Made to be kept and used again: after `reset` a writer whose
 * storage has grown to its work allocates nothing more.
 *
 * Integers are little-endian unless the name says `be`. A value outside its type's range is a bug
 * of the caller, not an operating error.
 *
 * Every write throws {KvsError} `CODEC_TOO_LARGE`, and changes nothing, if the output would become
 * longer than `maxBytes`.
 */
export class ByteWriter {
  readonly #maxBytes: number;
  readonly #initialBytes: number;
  #bytes: Uint8Array;
  #position = 0;

  constructor(options: ByteWriterOptions = {}) {
    this.#maxBytes = options.maxBytes ?? WRITER_MAX_BYTES;
    this.#initialBytes = Math.min(options.initialBytes ?? 256, this.#maxBytes);
    assert(Number.isSafeInteger(this.#maxBytes), "the limit is an integer");
    assert(this.#initialBytes >= 1, "a writer has room for at least one byte");
    this.#bytes = new Uint8Array(this.#initialBytes);
  }

  /** How many bytes are written: the offset of the next one. */
  get position(): number {
    return this.#position;
  }

  /**
   * The storage, for code that fills claimed bytes itself. A later write may replace it: never keep
   * it across one.
   */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  /** Forgets what was written. Storage beyond 1 MiB is given back. */
  reset(): void {
    this.#position = 0;
    if (this.#bytes.length > KEPT_BYTES && this.#initialBytes <= KEPT_BYTES) {
      this.#bytes = new Uint8Array(this.#initialBytes);
    }
  }

  /** Forgets what was written at and after `position`. */
  truncate(position: number): void {
    assert(position >= 0 && position <= this.#position, "truncation only shortens the output");
    this.#position = position;
  }

  /** What is written, as a view that is valid until the next write or `reset`. */
  view(from = 0, to: number = this.#position): Uint8Array {
    assert(from >= 0 && from <= to && to <= this.#position, "the range lies within the output");
    return this.#bytes.subarray(from, to);
  }

  /** What is written, copied. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#position);
  }

  /**
   * Makes room for `count` bytes and moves past them. Their content is undefined: the caller fills
   * them all, through {@link ByteWriter.buffer}, or truncates.
   *
   * @returns Where they begin.
   */
  claim(count: number): number {
    assert(Number.isSafeInteger(count) && count >= 0, "a count of bytes is an integer >= 0");
    const at = this.#position;
    this.#reserve(count);
    this.#position = at + count;
    return at;
  }

  u8(value: number): void {
    assert((value & 0xff) === value, "a u8 is an integer in [0, 2^8)");
    const at = this.claim(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    assert((value & 0xffff) === value, "a u16 is an integer in [0, 2^16)");
    const at = this.claim(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
  }

  u16be(value: number): void {
    assert((value & 0xffff) === value, "a u16 is an integer in [0, 2^16)");
    const at = this.claim(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  u32(value: number): void {
    assert(value >>> 0 === value, "a u32 is an integer in [0, 2^32)");
    this.#u32At(this.claim(4), value);
  }

  u32be(value: number): void {
    assert(value >>> 0 === value, "a u32 is an integer in [0, 2^32)");
    const at = this.claim(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
  }

  /** An integer of six bytes, in [0, 2^48). */
  u48(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a u48 is an integer >= 0");
    assert(value < 0x1_0000_0000_0000, "a u48 is below 2^48");
    const at = this.claim(6);
    const high = Math.floor(value / 0x1_0000_0000);
    this.#u32At(at, value >>> 0);
    this.#bytes[at + 4] = high;
    this.#bytes[at + 5] = high >>> 8;
  }

  /** An integer of eight bytes in [0, 2^53), such as an LSN. No `bigint` is made. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a u64 is an integer in [0, 2^53)");
    const at = this.claim(8);
    this.#u32At(at, value >>> 0);
    this.#u32At(at + 4, Math.floor(value / 0x1_0000_0000));
  }

  /** A double. Every NaN gets the same bytes. */
  f64(value: number): void {
    const at = this.claim(8);
    writeFloat64LittleEndian(this.#bytes, at, value);
  }

  /** An integer in [0, 2^53), in one to eight bytes. */
  varint(value: number): void {
    const at = this.claim(varintLength(value));
    writeVarint(this.#bytes, at, value);
  }

  /** A copy of `source`. */
  bytes(source: Uint8Array): void {
    const at = this.claim(source.length);
    this.#bytes.set(source, at);
  }

  /** `source`, after its length as a varint. */
  varBytes(source: Uint8Array): void {
    const at = this.claim(varintLength(source.length) + source.length);
    this.#bytes.set(source, writeVarint(this.#bytes, at, source.length));
  }

  /**
   * The UTF-8 bytes of `text`, without a length.
   *
   * @returns How many they are.
   * @throws {KvsError} `CODEC_UNSUPPORTED` if it holds a lone surrogate; nothing is written.
   */
  string(text: string): number {
    const at = this.#position;
    const isRoomCertain = text.length * 3 <= this.#bytes.length - at;
    if (!isRoomCertain) this.#reserve(utf8Length(text)); // counted only when it matters
    const written = encodeUtf8Into(text, this.#bytes, at);
    this.#position = at + written;
    return written;
  }

  /** The UTF-8 bytes of `text`, after their count as a varint. Throws as `string` does. */
  varString(text: string): void {
    const length = utf8Length(text);
    this.#reserve(varintLength(length) + length);
    const at = writeVarint(this.#bytes, this.#position, length);
    this.#position = at + encodeUtf8Into(text, this.#bytes, at);
  }

  /** `count` zero bytes. */
  zeros(count: number): void {
    const at = this.claim(count);
    this.#bytes.fill(0, at, at + count);
  }

  /** Overwrites the four bytes at `position`, written before: for lengths and checksums. */
  patchU32(position: number, value: number): void {
    assert(value >>> 0 === value, "a u32 is an integer in [0, 2^32)");
    assert(position >= 0 && position + 4 <= this.#position, "only written bytes are patched");
    this.#u32At(position, value);
  }
  /** Sees to it that `count` more bytes fit. */
  #reserve(count: number): void {
    const needed = this.#position + count;
    if (needed <= this.#bytes.length) return;
    if (needed > this.#maxBytes) throw this.#tooLarge(needed);
    const doubled = Math.min(this.#bytes.length * 2, this.#maxBytes);
    const grown = new Uint8Array(Math.max(doubled, needed));
    grown.set(this.#bytes.subarray(0, this.#position));
    this.#bytes = grown;
  }

  #tooLarge(neededBytes: number): Error {
    return codecError(
      "CODEC_TOO_LARGE",
      `the output would take ${neededBytes} bytes, more than the ${this.#maxBytes} allowed; ` +
        "write less at once",
      { neededBytes, maxBytes: this.#maxBytes },
    );
  }

  #u32At(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
  }
}
