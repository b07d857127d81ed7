import { type Key, compareBytes, encodeKey, keyPrefixRange } from "@kvs/codec";
import { type KeyRangeOptions } from "./key-value.ts";

/** Encoded keys in [from, to); `undefined` is no bound. */
export interface KeyBounds {
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
}

/**
 * The bounds that all of `gt`, `gte`, `lt`, `lte` and `prefix` together mean. They may be empty:
 * `from` at or after `to`.
 *
 * @throws {KvsError} as `encodeKey`.
 */
export function keyBounds(range: KeyRangeOptions): KeyBounds {
  let { from, to } = prefixBounds(range.prefix);
  if (range.gte !== undefined) from = later(from, encodeKey(range.gte));
  if (range.gt !== undefined) from = later(from, successor(range.gt));
  if (range.lt !== undefined) to = earlier(to, encodeKey(range.lt));
  if (range.lte !== undefined) to = earlier(to, successor(range.lte));
  return { from, to };
}

function prefixBounds(prefix: Key | undefined): KeyBounds {
  return prefix === undefined ? { from: undefined, to: undefined } : keyPrefixRange(prefix);
}

/** The least bytes after the key: no encoded key begins another, so nothing lies between. */
function successor(key: Key): Uint8Array {
  const encoded = encodeKey(key);
  const next = new Uint8Array(encoded.length + 1);
  next.set(encoded);
  return next;
}

function later(bound: Uint8Array | undefined, other: Uint8Array): Uint8Array {
  return bound === undefined || compareBytes(bound, other) < 0 ? other : bound;
}

function earlier(bound: Uint8Array | undefined, other: Uint8Array): Uint8Array {
  return bound === undefined || compareBytes(bound, other) > 0 ? other : bound;
}
