import { assert } from "@kvs/env";
import { codecError, truncated } from "./codec-error.ts";

/**
 * Unsigned integers in as few bytes as they need: seven bits a byte, the lowest first, the top bit
 * set on all bytes but the last (LEB128). 0 to 127 take one byte, 2^53 - 1 takes eight.
 *
 * One value has one form: a longer one is refused, so `varintLength(value)` also tells how many
 * bytes were read.
 */
export const VARINT_MAX_BYTES = 8;

/**
 * Writes `value` at `offset`.
 *
 * @param value An integer in [0, 2^53).
 * @param target Has room: `VARINT_MAX_BYTES` are always enough.
 * @returns The offset after it.
 */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "a varint is an integer in [0, 2^53)");
  let rest = value;
  let at = offset;
  while (rest > 0x7fff_ffff) {
    target[at++] = 0x80 | (rest % 0x80);
    rest = Math.floor(rest / 0x80);
  }
  while (rest > 0x7f) {
    target[at++] = 0x80 | (rest & 0x7f);
    rest >>>= 7;
  }
  target[at++] = rest;
  assert(at <= target.length, "the target has room for the varint");
  return at;
}

/** How many bytes `writeVarint` needs for `value`, an integer in [0, 2^53). */
export function varintLength(value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, "a varint is an integer in [0, 2^53)");
  let length = 1;
  for (let bound = 0x80; value >= bound; bound *= 0x80) length++;
  return length;
}

/**
 * Reads the varint at `offset` and before `end`; it is followed by `offset + varintLength(value)`.
 *
 * @throws {KvsError} `CODEC_TRUNCATED` if it does not end before `end`; `CODEC_MALFORMED` if it is
 *   longer than need be; `CODEC_OUT_OF_RANGE` if it exceeds 2^53 - 1.
 */
export function readVarint(
  source: Uint8Array,
  offset: number,
  end: number = source.length,
): number {
  assert(offset >= 0 && end <= source.length, "the range lies within the bytes");
  if (offset < end && source[offset]! < 0x80) return source[offset]!;
  let value = 0;
  let scale = 1;
  for (let at = offset; at < end; at++) {
    const byte = source[at]!;
    value += (byte & 0x7f) * scale;
    if (value > Number.MAX_SAFE_INTEGER || at - offset >= VARINT_MAX_BYTES) throw tooLarge(offset);
    if (byte < 0x80) {
      if (byte === 0) throw overlong(offset);
      return value;
    }
    scale *= 0x80;
  }
  throw truncated(offset, end - offset + 1, end);
}

function overlong(offset: number): Error {
  const message = `the varint at offset ${offset} is longer than its value needs`;
  return codecError("CODEC_MALFORMED", message, { offset });
}

function tooLarge(offset: number): Error {
  const message = `the varint at offset ${offset} exceeds 2^53 - 1`;
  return codecError("CODEC_OUT_OF_RANGE", message, { offset });
}
