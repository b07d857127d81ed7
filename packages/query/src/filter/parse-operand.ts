import {
  type ComparisonOperator,
  type FilterNode,
  type RegexTest,
  type TypeName,
  type ValueTest,
} from "./filter-node.ts";
import { FIELD_OPERATORS, LOGICAL_OPERATORS, unknownOperator } from "./operator-names.ts";
import { badOperand, type QueryReader } from "./query-reader.ts";
import { fromPattern, fromRegExp } from "./regular-expression.ts";
import { parseTypes } from "./type-names.ts";
import { describeKind, isPlainObject } from "./value-kind.ts";

/** What parsing the operators beside one field needs from around them. */
export interface OperandContext {
  readonly reader: QueryReader;
  /** Parses a filter on the documents of an array. */
  readonly parseFilter: (filter: unknown, at: string) => FilterNode;
  /** Binds a test to the field, or to the element within `$elemMatch`. */
  readonly ask: (test: ValueTest) => FilterNode;
  readonly depth: number;
}

type Operands = Readonly<Record<string, unknown>>;
type Parser = (
  context: OperandContext,
  operand: unknown,
  at: string,
  beside: Operands,
) => FilterNode;

/** Parses `{$gt: 1, $lt: 5}`: one filter for each operator, all of which must hold. */
export function parseOperators(
  context: OperandContext,
  operators: Operands,
  at: string,
): readonly FilterNode[] {
  context.reader.checkDepth(context.depth, at);
  const filters: FilterNode[] = [];
  for (const name of Object.keys(operators)) {
    const parser = PARSERS.get(name);
    if (parser !== undefined) {
      context.reader.countTest();
      filters.push(parser(context, operators[name], `${at}.${name}`, operators));
    } else if (name !== "$options") {
      throw unknownOperator(name, `${at}.${name}`, FIELD_OPERATORS);
    } else if (!Object.hasOwn(operators, "$regex")) {
      throw badOperand(`${at}.$options`, "$options stands without $regex", "add a $regex");
    }
  }
  return filters;
}

const PARSERS: ReadonlyMap<string, Parser> = new Map<string, Parser>([
  ["$all", parseAll],
  ["$elemMatch", parseElemMatch],
  ["$eq", (context, operand, at) => parseComparison(context, "$eq", operand, at)],
  ["$exists", parseExists],
  ["$gt", (context, operand, at) => parseComparison(context, "$gt", operand, at)],
  ["$gte", (context, operand, at) => parseComparison(context, "$gte", operand, at)],
  ["$in", parseIn],
  ["$lt", (context, operand, at) => parseComparison(context, "$lt", operand, at)],
  ["$lte", (context, operand, at) => parseComparison(context, "$lte", operand, at)],
  ["$ne", (context, operand, at) => negation(parseComparison(context, "$eq", operand, at))],
  ["$nin", (context, operand, at) => negation(parseIn(context, operand, at))],
  ["$not", parseNot],
  ["$regex", parseRegex],
  ["$size", parseSize],
  ["$type", (context, operand, at) => parseType(context, operand, at)],
]);

function negation(filter: FilterNode): FilterNode {
  return { type: "not", filter };
}

function parseComparison(
  { reader, ask }: OperandContext,
  operator: ComparisonOperator,
  operand: unknown,
  at: string,
): FilterNode {
  if (operand instanceof RegExp) {
    throw badOperand(
      at,
      "documents hold no regular expressions to compare with",
      "to search a text write $regex, $in, or $not",
    );
  }
  return ask({ type: "compare", operator, value: reader.value(operand, at) });
}

function parseIn({ reader, ask }: OperandContext, operand: unknown, at: string): FilterNode {
  const expressions: RegexTest[] = [];
  const values = [];
  for (const [position, element] of list(operand, at).entries()) {
    const place = `${at}[${position}]`;
    if (element instanceof RegExp) {
      reader.countTest();
      expressions.push(fromRegExp(element, place));
    } else {
      refuseOperators(element, place);
      values.push(reader.value(element, place));
    }
  }
  return ask({ type: "in", values, expressions });
}

/** `$all` is the conjunction of an equality, expression or `$elemMatch` for each element. */
function parseAll(context: OperandContext, operand: unknown, at: string): FilterNode {
  const elements = list(operand, at);
  if (elements.length === 0) return { type: "or", filters: [] };
  const isElemMatch = elements.map(
    (element) => isPlainObject(element) && Object.keys(element)[0] === "$elemMatch",
  );
  if (isElemMatch.includes(true) && isElemMatch.includes(false)) {
    throw badOperand(
      at,
      "$elemMatch stands beside values",
      "write only $elemMatch, or only values",
    );
  }
  const filters = elements.flatMap((element, position) => {
    const place = `${at}[${position}]`;
    if (isElemMatch[position]!) return parseLoneElemMatch(context, element as Operands, place);
    context.reader.countTest();
    if (element instanceof RegExp) return context.ask(fromRegExp(element, place));
    refuseOperators(element, place);
    return parseComparison(context, "$eq", element, place);
  });
  return filters.length === 1 ? filters[0]! : { type: "and", filters };
}

function parseLoneElemMatch(context: OperandContext, element: Operands, at: string): FilterNode {
  if (Object.keys(element).length > 1) {
    throw badOperand(at, "$elemMatch stands beside other names", "write {$elemMatch: {…}} alone");
  }
  return parseOperators(context, element, at)[0]!;
}

/** `{$elemMatch: {$gt: 1}}` asks the elements themselves; all else asks documents in the array. */
function parseElemMatch(context: OperandContext, operand: unknown, at: string): FilterNode {
  if (!isPlainObject(operand)) throw wrongType("$elemMatch", "an object", operand, at);
  const first = Object.keys(operand)[0];
  const isOfValues = first?.startsWith("$") === true && !LOGICAL_OPERATORS.includes(first);
  if (!isOfValues) {
    const filter = context.parseFilter(operand, at);
    return context.ask({ type: "elemMatch", of: "documents", filter });
  }
  const inner: OperandContext = {
    reader: context.reader,
    parseFilter: context.parseFilter,
    ask: (test) => ({ type: "element", test }),
    depth: context.depth + 1,
  };
  const filter: FilterNode = { type: "and", filters: parseOperators(inner, operand, at) };
  return context.ask({ type: "elemMatch", of: "values", filter });
}

function parseExists({ ask }: OperandContext, operand: unknown, at: string): FilterNode {
  if (typeof operand !== "boolean" && operand !== 0 && operand !== 1) {
    throw wrongType("$exists", "true or false", operand, at);
  }
  const exists = ask({ type: "exists" });
  return operand === true || operand === 1 ? exists : negation(exists);
}

function parseNot(context: OperandContext, operand: unknown, at: string): FilterNode {
  if (operand instanceof RegExp) return negation(context.ask(fromRegExp(operand, at)));
  if (!isPlainObject(operand) || Object.keys(operand).length === 0) {
    throw wrongType("$not", "an object of operators or a regular expression", operand, at);
  }
  const inner: OperandContext = { ...context, depth: context.depth + 1 };
  const filters = parseOperators(inner, operand, at);
  return negation(filters.length === 1 ? filters[0]! : { type: "and", filters });
}

function parseRegex(
  { ask }: OperandContext,
  operand: unknown,
  at: string,
  beside: Operands,
): FilterNode {
  const options = Object.hasOwn(beside, "$options") ? beside["$options"] : "";
  if (typeof options !== "string") throw wrongType("$options", "a text", options, at);
  if (typeof operand === "string") return ask(fromPattern(operand, options, at));
  if (!(operand instanceof RegExp)) {
    throw wrongType("$regex", "a text or a regular expression", operand, at);
  }
  if (options !== "") {
    throw badOperand(
      at,
      "$options stands beside a regular expression, which has flags of its own",
      "write the flags in one place",
    );
  }
  return ask(fromRegExp(operand, at));
}

function parseSize({ ask }: OperandContext, operand: unknown, at: string): FilterNode {
  const size = typeof operand === "bigint" ? Number(operand) : operand;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw wrongType("$size", "an integer of at least 0", operand, at);
  }
  return ask({ type: "size", size });
}

function parseType({ ask }: OperandContext, operand: unknown, at: string): FilterNode {
  const names: readonly TypeName[] = parseTypes(operand, at);
  return ask({ type: "type", names });
}

function list(operand: unknown, at: string): readonly unknown[] {
  if (!Array.isArray(operand)) throw badOperand(at, "a list is needed", "write […]");
  return operand;
}

/** MongoDB refuses them too: `{$in: [{$gt: 1}]}` never means what it seems to. */
function refuseOperators(element: unknown, at: string): void {
  if (!isPlainObject(element)) return;
  const operator = Object.keys(element).find((name) => name.startsWith("$"));
  if (operator === undefined) return;
  throw badOperand(
    at,
    `${JSON.stringify(operator.slice(0, 40))} stands in a list of values`,
    "combine conditions with $or or $and",
  );
}

function wrongType(operator: string, needed: string, operand: unknown, at: string): Error {
  return badOperand(at, `${operator} takes ${needed}, not ${describeKind(operand)}`, "change it");
}
