import { closestName } from "@kvs/env";
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

/** The error for a name that begins with `$` and is none of `known`, with the nearest of them. */
export function unknownOperator(name: string, at: string, known: readonly string[]): Error {
  const elsewhere = known === FIELD_OPERATORS ? LOGICAL_OPERATORS : FIELD_OPERATORS;
  const nearest = closestName(name, known);
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
