import { type DocumentObject } from "@kvs/codec";

/**
 * Where mingo 7.2.7 answers otherwise than MongoDB does. Each rule says when a pair of filter and
 * document is not asked of mingo, and why; docs/query-language.md lists them, and
 * compile-filter.test.ts holds MongoDB's own answers.
 *
 * The rules may leave out more than they must: what they leave out, the plain matcher decides.
 */
export interface Difference {
  readonly name: string;
  readonly because: string;
  readonly applies: (conditions: readonly Condition[], shape: DocumentShape) => boolean;
}

/** An operator with its operand, wherever in the filter it stands. */
export interface Condition {
  readonly path: string;
  readonly operator: string;
  readonly operand: unknown;
  /** Within an `$elemMatch`. */
  readonly isNested: boolean;
}

/** What in a document the rules ask for. */
export interface DocumentShape {
  readonly document: DocumentObject;
  readonly hasArray: boolean;
  readonly hasNestedArray: boolean;
  readonly hasBytes: boolean;
  readonly hasScalarInArray: boolean;
}

const ORDERS = ["$gt", "$gte", "$lt", "$lte"];

export const DIFFERENCES: readonly Difference[] = [
  {
    name: "nested arrays",
    because: "mingo goes through arrays within arrays",
    applies: (_, shape) => shape.hasNestedArray,
  },
  {
    name: "indexes",
    because: "to mingo a part that is digits is only a position",
    applies: (conditions, shape) =>
      (shape.hasArray || shape.hasBytes) && conditions.some(({ path }) => /\.\d/.test(path)),
  },
  {
    name: "missing behind arrays",
    because: "mingo asks the list of what a path found in an array, without what it did not find",
    applies: (conditions, shape) =>
      shape.hasArray &&
      conditions.some(
        ({ path, operator, operand }) =>
          path.includes(".") &&
          (["$exists", "$type", "$size", "$elemMatch"].includes(operator) ||
            [operand, ...(Array.isArray(operand) ? operand : [])].some(
              (value) => value === null || Array.isArray(value),
            )),
      ),
  },
  {
    name: "null in order",
    because: "to mingo missing is neither at least nor at most null",
    applies: (conditions) =>
      conditions.some(({ operator, operand }) => ORDERS.includes(operator) && operand === null),
  },
  {
    name: "order of compound values",
    because: "mingo orders documents by their sorted names, and arrays by their elements",
    applies: (conditions) =>
      conditions.some(({ operator, operand }) => ORDERS.includes(operator) && isCompound(operand)),
  },
  {
    name: "NaN and bigint",
    because: "to mingo NaN is no number to order, and a bigint a type of its own",
    applies: (conditions, shape) =>
      [shape.document, ...conditions.map(({ operand }) => operand)].some((value) =>
        holds(value, (part) => Number.isNaN(part) || typeof part === "bigint"),
      ),
  },
  {
    name: "whole arrays in lists",
    because: "mingo's $in and $nin compare the elements only, and an empty list in them",
    applies: (conditions) =>
      conditions.some(
        ({ operator, operand }) =>
          (operator === "$in" || operator === "$nin") &&
          (operand as readonly unknown[]).some((value) => Array.isArray(value)),
      ),
  },
  {
    name: "$all of what is no array",
    because: "to mingo $all matches only within arrays, not the whole value",
    applies: (conditions, shape) =>
      conditions.some(
        ({ path, operator, operand }) =>
          operator === "$all" &&
          (!Array.isArray(shape.document[path]) ||
            (operand as readonly unknown[]).some((value) => Array.isArray(value))),
      ),
  },
  {
    name: "$elemMatch of scalars",
    because: "to mingo every path of a scalar leads to the scalar",
    applies: (conditions, shape) =>
      shape.hasScalarInArray &&
      conditions.some(({ path, isNested }) => isNested && path !== "element"),
  },
  {
    name: "$type of elements",
    because: "mingo asks the array alone, and counts every number as an int",
    applies: (conditions, shape) =>
      shape.hasArray && conditions.some(({ operator }) => operator === "$type"),
  },
];

/** The rule that keeps a pair from mingo, if there is one. */
export function findDifference(
  conditions: readonly Condition[],
  document: DocumentObject,
): Difference | undefined {
  const shape = shapeOf(document);
  return DIFFERENCES.find((difference) => difference.applies(conditions, shape));
}

/** Every condition of a filter. */
export function conditionsOf(filter: unknown, isNested = false): readonly Condition[] {
  return Object.entries(filter as object).flatMap(([path, operand]: [string, unknown]) => {
    if (["$and", "$or", "$nor"].includes(path)) {
      return (operand as readonly unknown[]).flatMap((part) => conditionsOf(part, isNested));
    }
    return fieldConditions(path, operand, isNested);
  });
}

function fieldConditions(path: string, operand: unknown, isNested: boolean): readonly Condition[] {
  if (!isOperators(operand)) return [{ path, operator: "$eq", operand, isNested }];
  return Object.entries(operand).flatMap(([operator, value]) => {
    if (operator === "$not") return fieldConditions(path, value, isNested);
    if (operator !== "$elemMatch") return [{ path, operator, operand: value, isNested }];
    const inner = isOperators(value)
      ? fieldConditions("element", value, true)
      : conditionsOf(value, true);
    return [{ path, operator, operand: value, isNested }, ...inner];
  });
}

function isOperators(value: unknown): value is Readonly<Record<string, unknown>> {
  return isPlain(value) && Object.keys(value)[0]?.startsWith("$") === true;
}

function isPlain(value: unknown): value is object {
  return (
    value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype
  );
}

function isCompound(value: unknown): boolean {
  return typeof value === "object" && value !== null && !(value instanceof Date);
}

function shapeOf(document: DocumentObject): DocumentShape {
  return {
    document,
    hasArray: holds(document, Array.isArray),
    hasNestedArray: holds(
      document,
      (value) => Array.isArray(value) && value.some((element) => Array.isArray(element)),
    ),
    hasBytes: holds(document, (value) => value instanceof Uint8Array),
    hasScalarInArray: holds(
      document,
      (value) => Array.isArray(value) && value.some((element) => !isPlain(element)),
    ),
  };
}

/** Whether `question` holds for a value or anything within it. */
function holds(value: unknown, question: (part: unknown) => boolean): boolean {
  if (question(value)) return true;
  if (!Array.isArray(value) && !isPlain(value)) return false;
  return Object.values(value).some((part) => holds(part, question));
}
