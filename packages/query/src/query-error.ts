import { type ErrorDetails, KvsError } from "@kvs/env";

/**
 * What can be wrong with a query. All but the last four are found before a document is looked at.
 * Nothing has an effect, so the outcome is always `none`, and a repetition fails the same way.
 *
 * - `QUERY_UNKNOWN_OPERATOR`: a name that begins with `$` is no operator here; perhaps misspelt.
 * - `QUERY_BAD_OPERAND`: what stands beside an operator, a field or a sort direction has the wrong
 *   type or shape, or holds what no document can hold.
 * - `QUERY_BAD_PATH`: a dotted path has an empty part, or is not a well-formed text.
 * - `QUERY_BAD_REGEX`: a regular expression is invalid, too large, or needs what linear time does
 *   not allow: lookaround, back-references.
 * - `QUERY_BAD_PROJECTION`: a projection mixes inclusion and exclusion, or names a field twice.
 * - `QUERY_UNSUPPORTED`: a part of MongoDB's query language that this database does not have.
 * - `QUERY_TOO_DEEP`: a query nests deeper than the limit, perhaps in a cycle.
 * - `QUERY_TOO_LARGE`: a query has more conditions, values or fields than the limit.
 * - `QUERY_TEXT_TOO_LONG`: a document holds a text that is too long for the regular expression tried
 *   on it; the larger the expression, the shorter the text has to be.
 * - `QUERY_SORT_PARALLEL_ARRAYS`: two fields of one sort meet different arrays in one document, so
 *   that no pair of values is the document's own.
 * - `QUERY_SORT_TOO_LARGE`: a sort would hold more bytes of documents than it may.
 * - `QUERY_DAMAGED_ROW`: what is stored makes no sense, though its checksum is right; restore the
 *   store from a copy.
 */
export type QueryErrorCode =
  | "QUERY_UNKNOWN_OPERATOR"
  | "QUERY_BAD_OPERAND"
  | "QUERY_BAD_PATH"
  | "QUERY_BAD_REGEX"
  | "QUERY_BAD_PROJECTION"
  | "QUERY_UNSUPPORTED"
  | "QUERY_TOO_DEEP"
  | "QUERY_TOO_LARGE"
  | "QUERY_TEXT_TOO_LONG"
  | "QUERY_SORT_PARALLEL_ARRAYS"
  | "QUERY_SORT_TOO_LARGE"
  | "QUERY_DAMAGED_ROW";

/** Makes the error; the caller throws it, so that the compiler sees where control ends. */
export function queryError(
  code: QueryErrorCode,
  message: string,
  details: ErrorDetails = {},
): KvsError<QueryErrorCode> {
  return new KvsError(code, message, { outcome: "none", details });
}
