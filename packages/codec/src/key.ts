import { compareBytes } from "./compare-bytes.ts";
import { compareStrings } from "./compare-strings.ts";

/** One value of a key. Numbers may be infinite, but not NaN; texts hold no lone surrogate. */
export type KeyPart = null | boolean | number | string | Uint8Array;

/** What values are stored under: one part, or a tuple of parts. */
export type Key = KeyPart | readonly KeyPart[];

/**
 * Orders keys by type, then by value:
 *
 * 1. `null`
 * 2. `false`, `true`
 * 3. numbers, from -∞ to ∞; -0 and 0 are the same key
 * 4. texts, by code point
 * 5. bytes, as `memcmp`
 * 6. tuples, by their first part that differs, else the shorter first
 *
 * A tuple of one part is another key than the part alone, and comes after every single part.
 *
 * @returns Negative, zero or positive, for keys that `encodeKey` accepts: the sign of
 *   `compareBytes(encodeKey(left), encodeKey(right))`.
 */
export function compareKeys(left: Key, right: Key): number {
  const rank = keyRank(left);
  const difference = rank - keyRank(right);
  if (difference !== 0) return difference;
  if (rank !== TUPLE_RANK) return compareParts(left as KeyPart, right as KeyPart);
  return compareTuples(left as readonly KeyPart[], right as readonly KeyPart[]);
}

function compareTuples(left: readonly KeyPart[], right: readonly KeyPart[]): number {
  const common = Math.min(left.length, right.length);
  for (let position = 0; position < common; position++) {
    const difference = compareKeys(left[position]!, right[position]!);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Both are of one type. */
function compareParts(left: KeyPart, right: KeyPart): number {
  if (typeof left === "string") return compareStrings(left, right as string);
  if (left instanceof Uint8Array) return compareBytes(left, right as Uint8Array);
  if (typeof left === "number") return left < (right as number) ? -1 : +(left > (right as number));
  return Number(left) - Number(right);
}

const TUPLE_RANK = 5;

function keyRank(key: Key): number {
  if (typeof key === "string") return 3;
  if (typeof key === "number") return 2;
  if (key === null) return 0;
  if (typeof key === "boolean") return 1;
  return key instanceof Uint8Array ? 4 : TUPLE_RANK;
}
