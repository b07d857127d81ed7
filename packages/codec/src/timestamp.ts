import { codecError } from "./codec-error.ts";
import { DATE_MAX_MS } from "./date-value.ts";
import { readUnsigned } from "./msgpack.ts";

/**
 * The payload of a timestamp, in its three widths. Integers are big-endian.
 *
 *   4 bytes   seconds since 1970
 *   8 bytes   30 bits of nanoseconds, 34 bits of seconds
 *  12 bytes   4 of nanoseconds, 8 of seconds, signed
 *
 * Nanoseconds are of whole milliseconds here: a `Date` could not give back more.
 *
 * Source: the MessagePack specification, timestamp extension type.
 *
 * @returns Milliseconds since 1970, within the range of a `Date`.
 * @throws {KvsError} `CODEC_MALFORMED` or `CODEC_OUT_OF_RANGE`.
 */
export function readTimestampMs(bytes: Uint8Array, offset: number, width: number): number {
  const first = readUnsigned(bytes, offset, 4);
  if (width === 4) return first * 1000;
  if (width === 8) {
    const seconds = (first & 3) * 0x1_0000_0000 + readUnsigned(bytes, offset + 4, 4);
    return seconds * 1000 + toMilliseconds(first >>> 2, offset);
  }
  const high = readUnsigned(bytes, offset + 4, 4) | 0; // signed
  const seconds = high * 0x1_0000_0000 + readUnsigned(bytes, offset + 8, 4);
  const ms = seconds * 1000 + toMilliseconds(first, offset);
  if (Math.abs(ms) > DATE_MAX_MS) {
    const message = `the date at offset ${offset} lies beyond what a Date can hold`;
    throw codecError("CODEC_OUT_OF_RANGE", message, { offset });
  }
  return ms;
}

function toMilliseconds(nanoseconds: number, offset: number): number {
  if (nanoseconds > 999_999_999 || nanoseconds % 1_000_000 !== 0) {
    const message = `the date at offset ${offset} is not in whole milliseconds`;
    throw codecError("CODEC_MALFORMED", message, { offset });
  }
  return nanoseconds / 1_000_000;
}
