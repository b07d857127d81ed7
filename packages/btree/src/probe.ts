import { assert } from "@kvs/env";
import { HEAD_BYTES, TREE_KEY_BYTES_MAX } from "./tree-page.ts";

const TWO_32 = 0x1_0000_0000;

/** The newest version there can be; no entry is before a key with it. */
export const NEWEST_VERSION: number = Number.MAX_SAFE_INTEGER;

/** No version: a position with it is behind every row of its key. */
export const BEHIND_ALL_VERSIONS = -1;

/** Below this many bytes a loop beats the call and the view that `set` costs. */
const COPY_LOOP_BYTES = 48;

/**
 * A position in a tree's order: a key and a version. Entries of the key that are newer stand before
 * it, the version itself and older ones at or behind it. Made once and set again for each search, so
 * that searching allocates nothing.
 *
 * It holds a copy of the key: callers pass arrays of several classes, and the search is twice as fast
 * if it sees one (see Cost in row-finder.ts).
 */
export class Probe {
  /** The key's bytes are the first `length` of these, then come zeros for the last head. */
  readonly bytes: Uint8Array = new Uint8Array(TREE_KEY_BYTES_MAX + HEAD_BYTES);
  length = 0;
  /** Of no meaning: see `touchAhead` in search.ts. */
  touched = 0;
  versionHigh = 0;
  versionLow = 0;

  /**
   * Points at a key and version.
   *
   * @param bytes Whose first `length` bytes are the key; copied.
   * @param version An integer in [0, 2^53), or `BEHIND_ALL_VERSIONS`.
   */
  set(bytes: Uint8Array, length: number, version: number): this {
    return this.setRange(bytes, 0, length, version);
  }

  /** As `set`, with a key that is the bytes [from, to). */
  setRange(bytes: Uint8Array, from: number, to: number, version: number): this {
    const length = to - from;
    assert(length <= TREE_KEY_BYTES_MAX, "a key of a tree has at most 1,100 bytes");
    const own = this.bytes;
    if (length > COPY_LOOP_BYTES) own.set(bytes.subarray(from, to));
    else for (let at = 0; at < length; at++) own[at] = bytes[from + at]!;
    for (let at = length; at < length + HEAD_BYTES; at++) own[at] = 0;
    this.length = length;
    this.versionHigh = Math.floor(version / TWO_32);
    this.versionLow = version >>> 0;
    return this;
  }

  /** Points where another probe does. */
  copyFrom(other: Probe): void {
    this.set(other.bytes, other.length, other.version);
  }

  get version(): number {
    return this.versionHigh * TWO_32 + this.versionLow;
  }

  /**
   * The key's four bytes from `offset` on as one number, zero-padded behind its end.
   *
   * @param offset At most the key's length.
   */
  headFrom(offset: number): number {
    const { bytes } = this;
    const high = (bytes[offset]! << 24) | (bytes[offset + 1]! << 16);
    return (high | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
  }
}
