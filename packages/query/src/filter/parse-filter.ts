import { parsePath } from "../document-path.ts";
import { type FilterNode } from "./filter-node.ts";
import { LOGICAL_OPERATORS, unknownOperator } from "./operator-names.ts";
import { type OperandContext, parseOperators } from "./parse-operand.ts";
import { badOperand, QueryReader } from "./query-reader.ts";
import { fromRegExp } from "./regular-expression.ts";
import { describeKind, isPlainObject } from "./value-kind.ts";

/**
 * Parses and checks a filter from outside, in MongoDB's query language: docs/query-language.md.
 *
 * The result shares nothing with `filter`. An empty filter is true of every document.
 *
 * @throws {KvsError} `QUERY_UNKNOWN_OPERATOR`, `QUERY_BAD_OPERAND`, `QUERY_BAD_PATH`,
 *   `QUERY_BAD_REGEX`, `QUERY_TOO_DEEP`, `QUERY_TOO_LARGE`; each says where in the filter.
 */
export function parseFilter(filter: unknown): FilterNode {
  return parseDocumentFilter(new QueryReader(), filter, "filter", 0);
}

function parseDocumentFilter(
  reader: QueryReader,
  filter: unknown,
  at: string,
  depth: number,
): FilterNode {
  reader.checkDepth(depth, at);
  if (!isPlainObject(filter)) {
    throw badOperand(
      at,
      `${describeKind(filter)} is no filter`,
      "write an object of fields and conditions",
    );
  }
  const filters = Object.keys(filter).map((name) => {
    const place = `${at}.${name}`;
    return name.startsWith("$")
      ? parseLogical(reader, { name, operand: filter[name], at: place, depth })
      : parseField(reader, { name, operand: filter[name], at: place, depth });
  });
  return conjunction(filters);
}

/** One member of a filter. */
interface Member {
  readonly name: string;
  readonly operand: unknown;
  readonly at: string;
  readonly depth: number;
}

function parseLogical(reader: QueryReader, { name, operand, at, depth }: Member): FilterNode {
  if (!LOGICAL_OPERATORS.includes(name)) throw unknownOperator(name, at, LOGICAL_OPERATORS);
  if (!Array.isArray(operand) || operand.length === 0) {
    throw badOperand(at, `${name} takes a list of at least one filter`, "write [{…}, {…}]");
  }
  const filters = operand.map((filter: unknown, position) => {
    reader.countTest();
    return parseDocumentFilter(reader, filter, `${at}[${position}]`, depth + 1);
  });
  if (name === "$and") return conjunction(filters);
  return { type: name === "$or" ? "or" : "nor", filters };
}

function parseField(reader: QueryReader, { name, operand, at, depth }: Member): FilterNode {
  const path = parsePath(name, at).text;
  const context: OperandContext = {
    reader,
    parseFilter: (filter, place) => parseDocumentFilter(reader, filter, place, depth + 1),
    ask: (test) => ({ type: "field", path, test }),
    depth,
  };
  if (isPlainObject(operand) && hasOperators(operand, at)) {
    return conjunction(parseOperators(context, operand, at));
  }
  reader.countTest();
  if (operand instanceof RegExp) return context.ask(fromRegExp(operand, at));
  return context.ask({ type: "compare", operator: "$eq", value: reader.value(operand, at) });
}

/** Tells `{$gt: 1}` from a document to equal. */
function hasOperators(operand: Readonly<Record<string, unknown>>, at: string): boolean {
  const names = Object.keys(operand);
  const operators = names.filter((name) => name.startsWith("$"));
  if (operators.length > 0 && operators.length < names.length) {
    throw badOperand(
      at,
      "operators and fields stand beside each other",
      "write either operators, or with $eq the document to equal",
    );
  }
  return operators.length > 0;
}

/** `and` of `filters`, without a level that says nothing. */
function conjunction(filters: readonly FilterNode[]): FilterNode {
  return filters.length === 1 ? filters[0]! : { type: "and", filters };
}
