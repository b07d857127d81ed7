import { type DocumentValue } from "@kvs/codec";

/**
 * A filter that was parsed and checked: what the planner reads, `explain` shows and `compileFilter`
 * turns into code. It is plain data, and `encodeDocument` takes it.
 *
 * - `and` of nothing is true, `or` of nothing false; `nor` is true if none of its filters is.
 * - `field`: the test holds for some value that the path reaches. So `{$gt: 1, $lt: 5}` on one path
 *   is two nodes, and two elements of an array may satisfy them in turn.
 * - `element`: the test holds for the value itself. It stands only within an `elemMatch` of values.
 */
export type FilterNode =
  | { readonly type: "and"; readonly filters: readonly FilterNode[] }
  | { readonly type: "or"; readonly filters: readonly FilterNode[] }
  | { readonly type: "nor"; readonly filters: readonly FilterNode[] }
  | { readonly type: "not"; readonly filter: FilterNode }
  | { readonly type: "field"; readonly path: string; readonly test: ValueTest }
  | { readonly type: "element"; readonly test: ValueTest };

/** A question about one value. Negations are `not` nodes: `$ne`, `$nin`, `$exists: false`. */
export type ValueTest =
  | ComparisonTest
  | InTest
  | RegexTest
  | { readonly type: "exists" }
  | { readonly type: "type"; readonly names: readonly TypeName[] }
  | { readonly type: "size"; readonly size: number }
  | {
      readonly type: "elemMatch";
      readonly of: "documents" | "values";
      readonly filter: FilterNode;
    };

export type ComparisonOperator = "$eq" | "$gt" | "$gte" | "$lt" | "$lte";

/** Compares within the type of `value`; null equals missing. */
export interface ComparisonTest {
  readonly type: "compare";
  readonly operator: ComparisonOperator;
  readonly value: DocumentValue;
}

/** Equals one of the values, or is a text that one of the expressions finds. */
export interface InTest {
  readonly type: "in";
  readonly values: readonly DocumentValue[];
  readonly expressions: readonly RegexTest[];
}

/** A text in which the expression finds a match. */
export interface RegexTest {
  readonly type: "regex";
  /** In the syntax of RE2. */
  readonly pattern: string;
  /** Of `ims`, in this order. */
  readonly options: string;
}

/** Types as `$type` names them, of those that documents can hold. */
export type TypeName =
  | "array"
  | "binData"
  | "bool"
  | "date"
  | "double"
  | "int"
  | "long"
  | "null"
  | "object"
  | "string";

/** Conditions of a filter: what one request may cost to parse and, per document, to test. */
export const FILTER_TESTS_MAX = 10_000;

/** Values in a filter, those in lists and literals included; with `$in` some 10 MB. */
export const FILTER_VALUES_MAX = 100_000;

/** Logical operators and `$elemMatch` within each other; each level is a call deep per document. */
export const FILTER_DEPTH_MAX = 100;
