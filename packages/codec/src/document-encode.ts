import { assert } from "@kvs/env";
import { ByteWriter } from "./byte-writer.ts";
import { codecError } from "./codec-error.ts";
import { isDate } from "./date-value.ts";
import {
  DOCUMENT_DEPTH_MAX,
  DOCUMENT_MAX_BYTES,
  type DocumentLimits,
  type DocumentValue,
  NESTING_MAX,
} from "./document-value.ts";
import { writeFloat64 } from "./float64.ts";
import { TIMESTAMP_TYPE, Token } from "./msgpack.ts";
import { utf8Length } from "./utf8.ts";

/**
 * Encodes a document into bytes of its own. Equal documents with members in the same order have
 * equal bytes: every value takes its shortest form, and nothing is remembered between calls.
 *
 * @throws {KvsError} `CODEC_UNSUPPORTED` for a value that is none of `DocumentValue`, naming its
 *   path; `CODEC_TOO_DEEP`, also for a cycle; `CODEC_TOO_LARGE`. Never is more than three times the
 *   limit allocated.
 */
export function encodeDocument(value: DocumentValue, limits: DocumentLimits = {}): Uint8Array {
  const writer = new ByteWriter({ initialBytes: 128 });
  encodeDocumentInto(value, writer, limits);
  const isWellFilled = writer.position * 2 >= writer.buffer.length;
  return isWellFilled ? writer.view() : writer.toBytes();
}

/**
 * Encodes a document at the end of what `writer` holds, without a copy.
 *
 * @throws {KvsError} as `encodeDocument`; the writer then holds what it held before.
 */
export function encodeDocumentInto(
  value: DocumentValue,
  writer: ByteWriter,
  limits: DocumentLimits = {},
): void {
  const { depthMax = DOCUMENT_DEPTH_MAX, maxBytes = DOCUMENT_MAX_BYTES } = limits;
  assert(depthMax >= 0 && depthMax <= NESTING_MAX, "the depth limit lies in [0, 1000]");
  const before = writer.position;
  try {
    new DocumentEncoder(writer, depthMax, maxBytes).value(value, 0);
  } catch (error) {
    writer.truncate(before);
    throw error;
  }
}

class DocumentEncoder {
  readonly #writer: ByteWriter;
  readonly #depthMax: number;
  readonly #maxBytes: number;
  readonly #end: number;
  /** Names and positions that lead to the value being encoded. */
  readonly #path: (string | number)[] = [];

  constructor(writer: ByteWriter, depthMax: number, maxBytes: number) {
    this.#writer = writer;
    this.#depthMax = depthMax;
    this.#maxBytes = maxBytes;
    this.#end = writer.position + maxBytes;
  }

  /** @param depth Arrays and objects around the value. */
  value(value: DocumentValue | undefined, depth: number): void {
    if (typeof value === "string") this.#text(value, depth);
    else if (typeof value === "number") this.#number(value);
    else if (value === null) this.#writer.u8(Token.NULL);
    else if (typeof value === "boolean") this.#writer.u8(value ? Token.TRUE : Token.FALSE);
    else if (typeof value === "object") this.#compound(value, depth);
    else if (typeof value === "bigint") this.#bigint(value, depth);
    else throw this.#unsupported(`a value of type ${typeof value}`, depth);
    if (this.#writer.position > this.#end) throw this.#tooLarge();
  }

  #compound(value: object, depth: number): void {
    if (Array.isArray(value)) this.#array(value, depth);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (isDate(value)) this.#date(value, depth);
    else if (isPlainObject(value)) this.#object(value as Record<string, DocumentValue>, depth);
    else throw this.#unsupported("an instance of a class", depth);
  }

  #array(array: readonly DocumentValue[], depth: number): void {
    if (depth >= this.#depthMax) throw this.#tooDeep(depth);
    if (array.length > this.#end - this.#writer.position) throw this.#tooLarge();
    this.#header(Token.ARRAY, Token.ARRAY_16, array.length);
    for (let position = 0; position < array.length; position++) {
      this.#path[depth] = position;
      this.value(array[position], depth + 1);
    }
  }

  #object(object: Readonly<Record<string, DocumentValue | undefined>>, depth: number): void {
    if (depth >= this.#depthMax) throw this.#tooDeep(depth);
    const writer = this.#writer;
    const names = Object.keys(object);
    const before = writer.position;
    this.#header(Token.MAP, Token.MAP_16, names.length);
    let absent = 0;
    for (const name of names) {
      const value = object[name];
      if (value === undefined) {
        absent++;
      } else {
        this.#path[depth] = name;
        this.#text(name, depth + 1);
        this.value(value, depth + 1);
      }
    }
    if (absent > 0) this.#shrinkHeader(before, names.length, names.length - absent);
  }

  /** Rewrites a header that counted absent members; a shorter one takes its contents along. */
  #shrinkHeader(before: number, counted: number, present: number): void {
    const writer = this.#writer;
    const contentFrom = before + headerBytes(counted);
    const end = writer.position;
    writer.truncate(before);
    this.#header(Token.MAP, Token.MAP_16, present);
    const contentTo = writer.claim(end - contentFrom);
    writer.buffer.copyWithin(contentTo, contentFrom, end);
  }

  #header(shortToken: number, token16: number, count: number): void {
    const writer = this.#writer;
    if (count < 16) {
      writer.u8(shortToken | count);
    } else if (count < 0x1_0000) {
      writer.u8(token16);
      writer.u16be(count);
    } else {
      writer.u8(token16 + 1);
      writer.u32be(count);
    }
  }

  #text(text: string, depth: number): void {
    if (!text.isWellFormed()) throw this.#unsupported("a text with a lone surrogate", depth);
    const writer = this.#writer;
    const before = writer.position;
    if (text.length < 32) {
      writer.claim(1);
      const length = writer.string(text);
      if (length < 32) {
        writer.buffer[before] = Token.STRING | length;
        return;
      }
      writer.truncate(before);
    }
    const length = utf8Length(text);
    if (length > this.#end - before) throw this.#tooLarge();
    this.#lengthHeader(Token.STRING_8, length);
    writer.string(text);
  }

  #bytes(bytes: Uint8Array): void {
    if (bytes.length > this.#end - this.#writer.position) throw this.#tooLarge();
    this.#lengthHeader(Token.BYTES_8, bytes.length);
    this.#writer.bytes(bytes);
  }

  #lengthHeader(token8: number, length: number): void {
    const writer = this.#writer;
    if (length < 0x100) {
      writer.u8(token8);
      writer.u8(length);
    } else if (length < 0x1_0000) {
      writer.u8(token8 + 1);
      writer.u16be(length);
    } else {
      writer.u8(token8 + 2);
      writer.u32be(length);
    }
  }

  #number(value: number): void {
    if (Object.is(value, -0)) this.#double(value);
    else if ((value | 0) === value) this.#signed(value);
    else if (value >>> 0 === value) this.#unsigned(value);
    else this.#double(value);
  }

  #signed(value: number): void {
    const writer = this.#writer;
    if (value >= 0) {
      this.#unsigned(value);
    } else if (value >= -0x20) {
      writer.u8(value & 0xff);
    } else if (value >= -0x80) {
      writer.u8(Token.SIGNED_8);
      writer.u8(value & 0xff);
    } else if (value >= -0x8000) {
      writer.u8(Token.SIGNED_16);
      writer.u16be(value & 0xffff);
    } else {
      writer.u8(Token.SIGNED_32);
      writer.u32be(value >>> 0);
    }
  }

  #unsigned(value: number): void {
    const writer = this.#writer;
    if (value < 0x80) {
      writer.u8(value);
    } else if (value < 0x100) {
      writer.u8(Token.UNSIGNED_8);
      writer.u8(value);
    } else if (value < 0x1_0000) {
      writer.u8(Token.UNSIGNED_16);
      writer.u16be(value);
    } else {
      writer.u8(Token.UNSIGNED_32);
      writer.u32be(value);
    }
  }

  #double(value: number): void {
    const at = this.#writer.claim(9);
    const buffer = this.#writer.buffer;
    buffer[at] = Token.FLOAT_64;
    writeFloat64(buffer, at + 1, value);
  }

  #bigint(value: bigint, depth: number): void {
    const asNumber = Number(value);
    if (Number.isSafeInteger(asNumber)) {
      this.#number(asNumber);
    } else if (BigInt.asIntN(64, value) === value) {
      this.#integer64(Token.SIGNED_64, value);
    } else if (BigInt.asUintN(64, value) === value) {
      this.#integer64(Token.UNSIGNED_64, value);
    } else {
      throw this.#unsupported("an integer of more than 64 bits", depth);
    }
  }

  #integer64(token: number, value: bigint): void {
    this.#writer.u8(token);
    this.#writer.u32be(Number((value >> 32n) & 0xffff_ffffn));
    this.#writer.u32be(Number(value & 0xffff_ffffn));
  }

  /** The shortest of the three widths of a timestamp. */
  #date(date: Date, depth: number): void {
    const ms = date.getTime();
    if (Number.isNaN(ms)) throw this.#unsupported("an invalid date", depth);
    const writer = this.#writer;
    const seconds = Math.floor(ms / 1000);
    const high = Math.floor(seconds / 0x1_0000_0000);
    const nanoseconds = (ms - seconds * 1000) * 1_000_000;
    if (high === 0 && nanoseconds === 0) {
      writer.u8(Token.EXTENSION_FIXED_4);
      writer.u8(TIMESTAMP_TYPE);
    } else if (high >= 0 && high < 4) {
      writer.u8(Token.EXTENSION_FIXED_8);
      writer.u8(TIMESTAMP_TYPE);
      writer.u32be(nanoseconds * 4 + high);
    } else {
      writer.u8(Token.EXTENSION_8);
      writer.u8(12);
      writer.u8(TIMESTAMP_TYPE);
      writer.u32be(nanoseconds);
      writer.u32be(high >>> 0);
    }
    writer.u32be(seconds - high * 0x1_0000_0000);
  }

  #unsupported(what: string, depth: number): Error {
    const path = this.#path.slice(0, depth).map((step) => `[${JSON.stringify(step)}]`);
    return codecError(
      "CODEC_UNSUPPORTED",
      `a document cannot hold ${what}, at document${path.join("")}; ` +
        "convert it to JSON values, bytes or a date first",
    );
  }

  #tooDeep(depth: number): Error {
    return codecError(
      "CODEC_TOO_DEEP",
      `the document nests deeper than the ${this.#depthMax} levels allowed, or in a cycle`,
      { depthMax: this.#depthMax, depth },
    );
  }

  #tooLarge(): Error {
    return codecError(
      "CODEC_TOO_LARGE",
      `the encoded document would exceed the ${this.#maxBytes} bytes allowed; ` +
        "split it into several",
      { maxBytes: this.#maxBytes },
    );
  }
}

/** How many bytes `#header` writes. */
function headerBytes(count: number): number {
  return count < 16 ? 1 : count < 0x1_0000 ? 3 : 5;
}

/** An object literal, or one without prototype; of another realm too. */
function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return (
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "isPrototypeOf")
  );
}
