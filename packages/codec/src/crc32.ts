// oxlint-disable-next-line typescript/triple-slash-reference -- Nothing to import: the file declares a module that TypeScript cannot find by itself.
/// <reference path="./node-zlib.d.ts" />
// oxlint-disable-next-line eslint/no-restricted-imports -- A pure function of its input; node-zlib.d.ts keeps the rest of Node out.
import { crc32 as zlibCrc32 } from "node:zlib";

/** Up to this many bytes a loop over tables beats the view and the call that zlib costs. */
const LOOP_BYTES_MAX = 192;
const POLYNOMIAL = 0xedb8_8320;
/** Bytes that one step of the loop takes, each with a table of its own. */
const SLICES = 8;

/**
 * The CRC-32 of `bytes`: an unsigned 32-bit integer. It finds accidents, not forgers.
 *
 * @param seed The checksum of the bytes before these: `crc32(b, crc32(a))` is the checksum of `a`
 *   followed by `b`. Default: 0, nothing before.
 *
 * Cost: 0.2 µs for 4 KB.
 * Source: ISO 3309, polynomial 0xEDB88320 reflected, as in zlib and PNG.
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}

/**
 * The CRC-32 of the bytes [from, to), as `crc32(bytes.subarray(from, to), seed)`, but half as dear
 * for the 100 to 200 bytes of a usual record: no view is made.
 *
 * Source: Kounavis and Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC
 * Generation" (2008): slicing by eight.
 */
export function crc32Range(bytes: Uint8Array, from: number, to: number, seed: number): number {
  if (to - from > LOOP_BYTES_MAX) return zlibCrc32(bytes.subarray(from, to), seed);
  const table = TABLE;
  let crc = ~seed;
  let at = from;
  for (; at + SLICES <= to; at += SLICES) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      table[1792 + (crc & 0xff)]! ^
      table[1536 + ((crc >>> 8) & 0xff)]! ^
      table[1280 + ((crc >>> 16) & 0xff)]! ^
      table[1024 + (crc >>> 24)]! ^
      table[768 + bytes[at + 4]!]! ^
      table[512 + bytes[at + 5]!]! ^
      table[256 + bytes[at + 6]!]! ^
      table[bytes[at + 7]!]!;
  }
  for (; at < to; at++) crc = (crc >>> 8) ^ table[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/** Eight tables of 256: entry b of table t is what byte b does to a checksum t bytes further on. */
const TABLE: Int32Array = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) * POLYNOMIAL);
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256]!;
    table[at] = (before >>> 8) ^ table[before & 0xff]!;
  }
  return table;
}
