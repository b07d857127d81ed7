import { compareValues, type DocumentValue } from "@kvs/codec";
import { type ValueQuestion } from "../document-path.ts";
import { type InTest } from "./filter-node.ts";
import { compileRegex } from "./regular-expression.ts";

/**
 * Compiles `$in`: equality with one of many values, or a text that one of the expressions finds.
 * null among the values also means missing.
 *
 * Cost: one look-up for null, booleans, numbers and texts; a binary search for all else.
 */
export function compileIn({ values, expressions }: InTest): ValueQuestion {
  const scalars = new Set<unknown>();
  const others: DocumentValue[] = [];
  for (const value of values) {
    if (typeof value === "object" && value !== null) others.push(value);
    else scalars.add(canonical(value));
  }
  others.sort(compareValues);
  const hasMatch = expressions.map(compileRegex);

  return (value) => {
    if (value === undefined) return scalars.has(null);
    if (typeof value === "object" && value !== null) return isAmong(others, value);
    if (scalars.has(canonical(value))) return true;
    return typeof value === "string" && hasMatch.some((isMatch) => isMatch(value));
  };
}

/** A Set finds NaN by NaN and 0 by -0, but not 2^53 by its `bigint`. */
function canonical(value: DocumentValue): DocumentValue {
  if (typeof value !== "bigint") return value;
  const asNumber = Number(value);
  return BigInt(asNumber) === value ? asNumber : value;
}

function isAmong(sorted: readonly DocumentValue[], value: DocumentValue): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareValues(sorted[middle], value);
    if (order === 0) return true;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return false;
}
