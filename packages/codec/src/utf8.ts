import { assert } from "@kvs/env";
import { codecError } from "./codec-error.ts";

/**
 * UTF-8, strictly: what is not well-formed is an error in both directions, never a U+FFFD in its
 * place. So text → bytes → text gives the same text, and two different texts never share bytes.
 *
 * The only file that knows the platform's encoder. Short texts take a loop: below some twenty
 * units a call out of JavaScript costs more.
 *
 * Source: RFC 3629.
 */
declare class TextEncoder {
  encodeInto(text: string, target: Uint8Array): { readonly read: number; readonly written: number };
}
declare class TextDecoder {
  constructor(label: string, options: { readonly fatal: boolean; readonly ignoreBOM: boolean });
  decode(bytes: Uint8Array): string;
}

const encoder = new TextEncoder();
// Without `ignoreBOM` a leading U+FEFF would vanish from the text.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this many units a text is encoded by a loop in JavaScript. */
const SHORT_UNITS = 48;
/** Up to this many bytes an ASCII text is put together in JavaScript. */
const SHORT_BYTES = 16;

/**
 * The bytes of `text`, in an array of their own.
 *
 * @throws {KvsError} `CODEC_UNSUPPORTED` if it holds a lone surrogate.
 */
export function encodeUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  encodeUtf8Into(text, bytes, 0);
  return bytes;
}

/**
 * Writes the bytes of `text` at `offset`.
 *
 * @param target Has room: `3 * text.length` bytes are always enough, `utf8Length(text)` exactly.
 * @returns How many bytes were written.
 * @throws {KvsError} `CODEC_UNSUPPORTED` if the text holds a lone surrogate; some bytes of the
 *   target may then be overwritten.
 */
export function encodeUtf8Into(text: string, target: Uint8Array, offset: number): number {
  if (text.length <= SHORT_UNITS) {
    const written = encodeShort(text, target, offset);
    assert(offset + written <= target.length, "the target has room for the text");
    return written;
  }
  if (!text.isWellFormed()) throw loneSurrogate();
  const { read, written } = encoder.encodeInto(text, target.subarray(offset));
  assert(read === text.length, "the target has room for the text");
  return written;
}

function encodeShort(text: string, target: Uint8Array, offset: number): number {
  let at = offset;
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit);
    if (code < 0x80) {
      target[at++] = code;
    } else {
      const point = text.codePointAt(unit)!;
      at = writeCodePoint(point, target, at);
      if (point > 0xffff) unit++;
    }
  }
  return at - offset;
}

/**
 * Writes one code point from U+0080 on.
 *
 * @returns The offset after it.
 * @throws {KvsError} `CODEC_UNSUPPORTED` if it is a surrogate.
 */
export function writeCodePoint(point: number, target: Uint8Array, offset: number): number {
  let at = offset;
  if (point < 0x800) {
    target[at++] = 0xc0 | (point >> 6);
  } else {
    if (point < 0x1_0000) {
      if (point >= 0xd800 && point <= 0xdfff) throw loneSurrogate();
      target[at++] = 0xe0 | (point >> 12);
    } else {
      target[at++] = 0xf0 | (point >> 18);
      target[at++] = 0x80 | ((point >> 12) & 0x3f);
    }
    target[at++] = 0x80 | ((point >> 6) & 0x3f);
  }
  target[at++] = 0x80 | (point & 0x3f);
  return at;
}

/**
 * How many bytes `text` has in UTF-8, without making them. A lone surrogate counts as three.
 */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let unit = 0; unit < text.length; unit++) {
    const code = text.charCodeAt(unit);
    if (code < 0x80) continue;
    if (code < 0x800) {
      bytes += 1;
    } else {
      bytes += 2;
      if ((code & 0xfc00) === 0xd800 && (text.charCodeAt(unit + 1) & 0xfc00) === 0xdc00) unit++;
    }
  }
  return bytes;
}

/**
 * The text of the bytes in [from, to).
 *
 * @throws {KvsError} `CODEC_INVALID_UTF8` if they are not well-formed: overlong forms, surrogates,
 *   code points above U+10FFFF, a sequence cut short.
 */
export function decodeUtf8(bytes: Uint8Array, from = 0, to: number = bytes.length): string {
  assert(from >= 0 && from <= to && to <= bytes.length, "the range lies within the bytes");
  if (to - from <= SHORT_BYTES) {
    const text = decodeShortAscii(bytes, from, to);
    if (text !== undefined) return text;
  }
  try {
    return decoder.decode(bytes.subarray(from, to));
  } catch {
    throw invalidUtf8(from);
  }
}

/** The text, or `undefined` as soon as it turns out not to be ASCII. */
function decodeShortAscii(bytes: Uint8Array, from: number, to: number): string | undefined {
  let text = "";
  let at = from;
  while (to - at >= 4) {
    const a = bytes[at]!;
    const b = bytes[at + 1]!;
    const c = bytes[at + 2]!;
    const d = bytes[at + 3]!;
    if ((a | b | c | d) >= 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d);
    at += 4;
  }
  while (at < to) {
    const byte = bytes[at++]!;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Whether the bytes in [from, to) are well-formed UTF-8. Allocates nothing. */
export function isUtf8(bytes: Uint8Array, from = 0, to: number = bytes.length): boolean {
  assert(from >= 0 && from <= to && to <= bytes.length, "the range lies within the bytes");
  let at = from;
  while (at < to) {
    if (bytes[at]! < 0x80) {
      at++;
    } else {
      const length = sequenceLength(bytes, at, to);
      if (length === 0) return false;
      at += length;
    }
  }
  return true;
}

/** The length of the well-formed sequence of two to four bytes at `at`, or 0 if there is none. */
function sequenceLength(bytes: Uint8Array, at: number, to: number): number {
  const lead = bytes[at]!;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length > to - at) return 0;
  const second = bytes[at + 1]!;
  if (second < leastSecond(lead) || second > greatestSecond(lead)) return 0;
  for (let next = at + 2; next < at + length; next++) {
    if ((bytes[next]! & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** E0 and F0 with a smaller second byte would be overlong. */
function leastSecond(lead: number): number {
  return lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
}

/** ED with a greater second byte would be a surrogate, F4 a code point above U+10FFFF. */
function greatestSecond(lead: number): number {
  return lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
}

function loneSurrogate(): Error {
  return codecError(
    "CODEC_UNSUPPORTED",
    "the text holds half of a surrogate pair, which UTF-8 cannot hold; " +
      "repair it with toWellFormed(), or store it as bytes",
  );
}

/** `CODEC_INVALID_UTF8` for the text that begins at `offset`. */
export function invalidUtf8(offset: number): Error {
  return codecError("CODEC_INVALID_UTF8", `the text at offset ${offset} is not valid UTF-8`, {
    offset,
  });
}
