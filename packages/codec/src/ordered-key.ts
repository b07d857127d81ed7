import { assert } from "@kvs/env";
import { codecError } from "./codec-error.ts";
import { writeFloat64 } from "./float64.ts";
import { type Key, type KeyPart } from "./key.ts";
import { writeCodePoint } from "./utf8.ts";

/**
 * Keys as bytes whose `memcmp` order is the order of `compareKeys`.
 *
 *   key    = part | 60 part* 00            a tuple ends with 00
 *   part   = 10                            null
 *          | 20 | 21                       false, true
 *          | 30 number                     8 bytes, big-endian
 *          | 40 escaped* 00                a text, as UTF-8
 *          | 50 escaped* 00                bytes
 *
 * Invariants:
 * 1. A key has exactly one encoding, and an encoding is of exactly one key.
 * 2. No encoding is the beginning of another: bytes appended to keys (a timestamp) never change
 *    the order of different keys.
 * 3. All tags are greater than 00, so a tuple sorts before the longer ones that begin with it.
 *
 * Format: docs/formats/ordered-key.md.
 */
export const KeyTag = {
  END: 0x00,
  NULL: 0x10,
  FALSE: 0x20,
  TRUE: 0x21,
  NUMBER: 0x30,
  STRING: 0x40,
  BYTES: 0x50,
  TUPLE: 0x60,
} as const;

/**
 * Stands for the two content bytes that would be mistaken: 00 becomes 01 01, 01 becomes 01 02. The
 * pairs keep the order of the bytes they replace, below 02.
 */
export const KEY_ESCAPE = 0x01;

/** The longest encoded key, unless told otherwise: three still fit on a page of 4 KB. */
export const KEY_MAX_BYTES = 1024;

/**
 * Encodes a key into bytes of its own.
 *
 * @param maxBytes The longest encoding allowed. Default: `KEY_MAX_BYTES`.
 * @throws {KvsError} `CODEC_KEY_TOO_LARGE`; `CODEC_UNSUPPORTED` for NaN, a lone surrogate, a tuple
 *   within a tuple, or a value that is no key. Nothing longer than the limit is ever allocated.
 */
export function encodeKey(key: Key, maxBytes: number = KEY_MAX_BYTES): Uint8Array {
  const scratch = new Uint8Array(Math.min(maxBytes, boundOf(key)));
  const length = encodeKeyInto(key, scratch, 0, maxBytes);
  return length === scratch.length ? scratch : scratch.slice(0, length);
}

/**
 * Encodes a key at `offset` of the caller's bytes. Allocates nothing.
 *
 * @param target Room for `maxBytes` after `offset` is always enough; less is a smaller limit.
 * @returns How many bytes were written.
 * @throws {KvsError} as `encodeKey`; the bytes after `offset` are then undefined.
 */
export function encodeKeyInto(
  key: Key,
  target: Uint8Array,
  offset = 0,
  maxBytes: number = KEY_MAX_BYTES,
): number {
  assert(offset >= 0 && offset <= target.length, "the offset lies within the target");
  const end = Math.min(target.length, offset + maxBytes);
  if (typeof key === "string") return writeText(key, target, offset, end) - offset;
  if (!Array.isArray(key)) return writePart(key as KeyPart, target, offset, end) - offset;
  const at = writeTupleParts(key as readonly KeyPart[], target, offset, end);
  return writeByte(KeyTag.END, target, at, end) - offset;
}

/** Writes the tag and the parts, not the end: what all keys that begin with the tuple share. */
export function writeTupleParts(
  parts: readonly KeyPart[],
  target: Uint8Array,
  offset: number,
  end: number,
): number {
  let at = writeByte(KeyTag.TUPLE, target, offset, end);
  for (let position = 0; position < parts.length; position++) {
    at = writePart(parts[position]!, target, at, end);
  }
  return at;
}

function writePart(part: KeyPart, target: Uint8Array, offset: number, end: number): number {
  if (typeof part === "string") return writeText(part, target, offset, end);
  if (typeof part === "number") return writeNumber(part, target, offset, end);
  if (part instanceof Uint8Array) return writeBytes(part, target, offset, end);
  if (part === null) return writeByte(KeyTag.NULL, target, offset, end);
  if (typeof part !== "boolean") throw unsupported(part);
  return writeByte(part ? KeyTag.TRUE : KeyTag.FALSE, target, offset, end);
}

function writeByte(byte: number, target: Uint8Array, offset: number, end: number): number {
  if (offset >= end) throw tooLarge();
  target[offset] = byte;
  return offset + 1;
}

/**
 * The bits of a double order like its value once the sign is turned around: of positive numbers the
 * sign bit is set, of negative ones all bits are inverted.
 */
function writeNumber(part: number, target: Uint8Array, offset: number, end: number): number {
  if (Number.isNaN(part)) throw unsupported(part);
  if (end - offset < 9) throw tooLarge();
  target[offset] = KeyTag.NUMBER;
  writeFloat64(target, offset + 1, part === 0 ? 0 : part); // -0 is 0
  if (part < 0) {
    for (let at = offset + 1; at < offset + 9; at++) target[at] = ~target[at]!;
  } else {
    target[offset + 1]! |= 0x80;
  }
  return offset + 9;
}

function writeText(text: string, target: Uint8Array, offset: number, end: number): number {
  const at = writeTextContent(text, target, writeByte(KeyTag.STRING, target, offset, end), end);
  return writeByte(KeyTag.END, target, at, end);
}

/** Writes the escaped content of a text, without tag and end. */
export function writeTextContent(
  text: string,
  target: Uint8Array,
  offset: number,
  end: number,
): number {
  let at = offset;
  for (let unit = 0; unit < text.length; unit++) {
    if (at >= end) throw tooLarge();
    const code = text.charCodeAt(unit);
    if (code > KEY_ESCAPE && code < 0x80) {
      target[at++] = code;
    } else if (code <= KEY_ESCAPE) {
      at = writeEscaped(code, target, at, end);
    } else {
      const point = text.codePointAt(unit)!;
      if (end - at < pointBytes(point)) throw tooLarge();
      at = writeCodePoint(point, target, at);
      if (point > 0xffff) unit++;
    }
  }
  return at;
}

function pointBytes(point: number): number {
  return point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
}

function writeBytes(part: Uint8Array, target: Uint8Array, offset: number, end: number): number {
  const at = writeBytesContent(part, target, writeByte(KeyTag.BYTES, target, offset, end), end);
  return writeByte(KeyTag.END, target, at, end);
}

/** Writes the escaped content of bytes, without tag and end. */
export function writeBytesContent(
  part: Uint8Array,
  target: Uint8Array,
  offset: number,
  end: number,
): number {
  let at = offset;
  for (let position = 0; position < part.length; position++) {
    const byte = part[position]!;
    if (byte <= KEY_ESCAPE) {
      at = writeEscaped(byte, target, at, end);
    } else {
      at = writeByte(byte, target, at, end);
    }
  }
  return at;
}

function writeEscaped(byte: number, target: Uint8Array, offset: number, end: number): number {
  if (end - offset < 2) throw tooLarge();
  target[offset] = KEY_ESCAPE;
  target[offset + 1] = byte + 1;
  return offset + 2;
}

/** At least as many bytes as the encoding takes: the escapes at worst double, UTF-8 at worst triples. */
function boundOf(key: Key): number {
  if (typeof key === "string") return 2 + 3 * key.length;
  if (key instanceof Uint8Array) return 2 + 2 * key.length;
  if (!Array.isArray(key)) return 9;
  let bound = 2;
  for (const part of key as readonly KeyPart[]) {
    bound += typeof part === "string" || part instanceof Uint8Array ? 2 + 3 * part.length : 9;
  }
  return bound;
}

function tooLarge(): Error {
  return codecError(
    "CODEC_KEY_TOO_LARGE",
    "the encoded key is longer than its limit; use a shorter key and keep the rest in the value",
  );
}

function unsupported(part: unknown): Error {
  const type = Array.isArray(part) ? "an array within an array" : typeof part;
  const what = typeof part === "number" ? "NaN" : type;
  return codecError(
    "CODEC_UNSUPPORTED",
    `a key is null, a boolean, a number, a text, bytes, or an array of these, but not ${what}`,
  );
}
