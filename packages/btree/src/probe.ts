import { assert } from "@kvs/env";
import { HEAD_BYTES, TREE_KEY_BYTES_MAX } from "./tree-page.ts";

const TWO_32 = 0x1_0000_0000;

/** The newest version there can be; no entry is before a key with it. */
export const NEWEST_VERSION: number = Number.MAX_SAFE_INTEGER;

/** No version: a position with it is behind every row of its key. */
export const BEHIND_ALL_VERSIONS = -1;

/**
 * A position in a tree's order: a key and a version. Entries of the key that are newer stand before
 * it, the version itself and older ones at or behind it. Made once and set again for each search, so
 * that searching allocates nothing.
 */
export class Probe {
  /** The key's bytes are the first `length` of these; the caller's, not copied. */
  bytes: Uint8Array = NO_BYTES;
  length = 0;
  versionHigh = 0;
  versionLow = 0;

  /**
   * Points at a key and version.
   *
   * @param version An integer in [0, 2^53), or `BEHIND_ALL_VERSIONS`.
   */
  set(bytes: Uint8Array, length: number, version: number): this {
    assert(length <= TREE_KEY_BYTES_MAX, "a key of a tree has at most 1,100 bytes");
    this.bytes = bytes;
    this.length = length;
    this.versionHigh = Math.floor(version / TWO_32);
    this.versionLow = version >>> 0;
    return this;
  }

  /** Points where another probe does. */
  copyFrom(other: Probe): void {
    this.bytes = other.bytes;
    this.length = other.length;
    this.versionHigh = other.versionHigh;
    this.versionLow = other.versionLow;
  }

  get version(): number {
    return this.versionHigh * TWO_32 + this.versionLow;
  }

  /** The key's four bytes from `offset` on as one number, zero-padded behind its end. */
  headFrom(offset: number): number {
    const { bytes, length } = this;
    if (length - offset >= HEAD_BYTES) {
      const high = (bytes[offset]! << 24) | (bytes[offset + 1]! << 16);
      return (high | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
    }
    let head = 0;
    for (let at = offset; at < length; at++) head |= bytes[at]! << (24 - 8 * (at - offset));
    return head >>> 0;
  }
}

const NO_BYTES = new Uint8Array(0);
