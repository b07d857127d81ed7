import { queryError } from "../query-error.ts";

/** Operators that combine whole filters. */
export const LOGICAL_OPERATORS: readonly string[] = ["$and", "$or", "$nor"];

/** Operators that stand beside a field. */
export const FIELD_OPERATORS: readonly string[] = [
  "$all",
  "$elemMatch",
  "$eq",
  "$exists",
  "$gt",
  "$gte",
  "$in",
  "$lt",
  "$lte",
  "$ne",
  "$nin",
  "$not",
  "$options",
  "$regex",
  "$size",
  "$type",
];

/** Typing errors that still count as meant: one or two letters wrong, missing, swapped or more. */
const TYPING_ERRORS_MAX = 2;

/** The error for a name that begins with `$` and is none of `known`, with the nearest of them. */
export function unknownOperator(name: string, at: string, known: readonly string[]): Error {
  const elsewhere = known === FIELD_OPERATORS ? LOGICAL_OPERATORS : FIELD_OPERATORS;
  const nearest = nearestName(name, known);
  let advice = `known here are ${known.join(", ")}`;
  if (elsewhere.includes(name)) {
    advice =
      known === FIELD_OPERATORS
        ? "it combines whole filters and stands outside of fields"
        : `it stands beside a field: {field: {${name}: …}}`;
  } else if (nearest !== undefined) {
    advice = `did you mean ${nearest}?`;
  }
  return queryError(
    "QUERY_UNKNOWN_OPERATOR",
    `at ${at}: ${JSON.stringify(name.slice(0, 40))} is no operator here; ${advice}`,
  );
}

function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let fewest = Math.min(TYPING_ERRORS_MAX, Math.floor(name.length / 2)) + 1;
  for (const candidate of known) {
    const errors = typingErrors(name.toLowerCase(), candidate.toLowerCase());
    if (errors < fewest) {
      fewest = errors;
      nearest = candidate;
    }
  }
  return nearest;
}

/**
 * Edits that turn one name into the other: letters added, dropped, changed, or neighbours swapped.
 *
 * Source: Damerau, "A technique for computer detection and correction of spelling errors" (1964),
 * as optimal string alignment.
 */
function typingErrors(name: string, candidate: string): number {
  if (Math.abs(name.length - candidate.length) > TYPING_ERRORS_MAX) return Infinity;
  let beforeLast: number[] = [];
  let last = Array.from({ length: candidate.length + 1 }, (_, column) => column);
  for (let row = 1; row <= name.length; row++) {
    const current = [row];
    for (let column = 1; column <= candidate.length; column++) {
      const isSame = name[row - 1] === candidate[column - 1];
      const isSwapped =
        name[row - 1] === candidate[column - 2] && name[row - 2] === candidate[column - 1];
      current[column] = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (isSame ? 0 : 1),
        isSwapped ? beforeLast[column - 2]! + 1 : Infinity,
      );
    }
    [beforeLast, last] = [last, current];
  }
  return last[candidate.length]!;
}
