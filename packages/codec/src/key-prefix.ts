import { type Key, type KeyPart } from "./key.ts";
import {
  KEY_MAX_BYTES,
  KeyTag,
  encodeKeyInto,
  writeBytesContent,
  writeTextContent,
  writeTupleParts,
} from "./ordered-key.ts";

/** Encoded keys from `from` (inclusive) to `to` (exclusive), in `memcmp` order. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/**
 * The range of the encoded keys that begin with `prefix`:
 *
 * - a text: the texts that begin with it, itself included, and no tuples;
 * - bytes: likewise;
 * - a tuple: the tuples whose first parts equal its parts, itself included. `[]` begins them all;
 * - null, a boolean, a number: that one key.
 *
 * The bounds are for comparison only; they are not keys themselves.
 *
 * @throws {KvsError} as `encodeKey`.
 */
export function keyPrefixRange(prefix: Key, maxBytes: number = KEY_MAX_BYTES): KeyRange {
  const scratch = new Uint8Array(maxBytes);
  const from = scratch.slice(0, writePrefix(prefix, scratch));
  return { from, to: successorOf(from) };
}

function writePrefix(prefix: Key, target: Uint8Array): number {
  if (typeof prefix === "string") {
    target[0] = KeyTag.STRING;
    return writeTextContent(prefix, target, 1, target.length);
  }
  if (prefix instanceof Uint8Array) {
    target[0] = KeyTag.BYTES;
    return writeBytesContent(prefix, target, 1, target.length);
  }
  if (Array.isArray(prefix)) {
    return writeTupleParts(prefix as readonly KeyPart[], target, 0, target.length);
  }
  return encodeKeyInto(prefix, target, 0, target.length);
}

/**
 * The least byte string that comes after everything that begins with `prefix`. There is one: the
 * first byte is a tag, and no tag is FF.
 */
function successorOf(prefix: Uint8Array): Uint8Array {
  let length = prefix.length;
  while (prefix[length - 1] === 0xff) length--;
  const successor = prefix.slice(0, length);
  successor[length - 1]!++;
  return successor;
}
