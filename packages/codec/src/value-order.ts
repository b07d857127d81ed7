import { assert } from "@kvs/env";
import { compareBytes } from "./compare-bytes.ts";
import { compareStrings } from "./compare-strings.ts";
import { isDate } from "./date-value.ts";
import { type DocumentObject, type DocumentValue, NESTING_MAX } from "./document-value.ts";

/**
 * A total order over everything a document may hold, across types as MongoDB orders BSON:
 *
 * 1. `null`, and `undefined` as its equal
 * 2. numbers, `bigint` among them by exact value; NaN first, and -0 equal to 0
 * 3. texts, by code point
 * 4. objects: member by member in their order – the type of the value, the name, the value – and
 *    the one that ends first comes first; members that are `undefined` do not count
 * 5. arrays, by their first element that differs, else the shorter first
 * 6. bytes: the shorter first, then as `memcmp`
 * 7. `false`, `true`
 * 8. dates
 *
 * It differs from the order of keys in two places: booleans and bytes.
 *
 * @returns Negative, zero or positive.
 *
 * Source: MongoDB manual, "Comparison/Sort Order".
 */
export function compareValues(
  left: DocumentValue | undefined,
  right: DocumentValue | undefined,
): number {
  return compareAt(left, right, 0);
}

type Value = DocumentValue | undefined;

/** Recursion ends: documents nest at most `NESTING_MAX` levels. */
function compareAt(left: Value, right: Value, depth: number): number {
  assert(depth <= NESTING_MAX, "values to compare nest at most 1000 levels");
  const rank = valueRank(left);
  const difference = rank - valueRank(right);
  return difference === 0 ? compareSameRank(left, right, depth) : difference;
}

function compareSameRank(left: Value, right: Value, depth: number): number {
  if (typeof left === "string") return compareStrings(left, right as string);
  if (typeof left === "number" || typeof left === "bigint") {
    return compareNumbers(left, right as number | bigint);
  }
  if (typeof left === "boolean") return Number(left) - Number(right);
  if (left === null || left === undefined) return 0;
  if (left instanceof Uint8Array) return compareSizedBytes(left, right as Uint8Array);
  if (isDate(left)) return compareNumbers(left.getTime(), (right as Date).getTime());
  if (isArray(left)) return compareArrays(left, right as readonly DocumentValue[], depth);
  return compareObjects(left, right as DocumentObject, depth);
}

/** JavaScript compares a number with a `bigint` exactly. */
function compareNumbers(left: number | bigint, right: number | bigint): number {
  if (left < right) return -1;
  if (left > right) return 1;
  return Number(Number.isNaN(right)) - Number(Number.isNaN(left));
}

function compareSizedBytes(left: Uint8Array, right: Uint8Array): number {
  return left.length === right.length ? compareBytes(left, right) : left.length - right.length;
}

function compareArrays(
  left: readonly DocumentValue[],
  right: readonly DocumentValue[],
  depth: number,
): number {
  const common = Math.min(left.length, right.length);
  for (let position = 0; position < common; position++) {
    const difference = compareAt(left[position], right[position], depth + 1);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function compareObjects(left: DocumentObject, right: DocumentObject, depth: number): number {
  const leftNames = presentNames(left);
  const rightNames = presentNames(right);
  const common = Math.min(leftNames.length, rightNames.length);
  for (let position = 0; position < common; position++) {
    const leftName = leftNames[position]!;
    const rightName = rightNames[position]!;
    const leftValue = left[leftName];
    const rightValue = right[rightName];
    const difference =
      valueRank(leftValue) - valueRank(rightValue) ||
      compareStrings(leftName, rightName) ||
      compareAt(leftValue, rightValue, depth + 1);
    if (difference !== 0) return difference;
  }
  return leftNames.length - rightNames.length;
}

function presentNames(object: DocumentObject): readonly string[] {
  return Object.keys(object).filter((name) => object[name] !== undefined);
}

function valueRank(value: Value): number {
  if (value === null || value === undefined) return 1;
  if (typeof value === "string") return 3;
  if (typeof value === "number" || typeof value === "bigint") return 2;
  if (typeof value === "boolean") return 7;
  return objectRank(value);
}

function objectRank(value: object): number {
  if (Array.isArray(value)) return 5;
  if (value instanceof Uint8Array) return 6;
  return isDate(value) ? 8 : 4;
}

function isArray(value: object): value is readonly DocumentValue[] {
  return Array.isArray(value);
}
