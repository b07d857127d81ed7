import { compareValues, type DocumentValue } from "@kvs/codec";

/**
 * MongoDB's matcher in the plainest form: a generator of what a path reaches, written after the
 * server's BSONElementIterator, and a function for each operator over the raw filter. It shares
 * nothing with the package, neither the parser nor the paths.
 */
export function isMatch(filter: Readonly<Record<string, unknown>>, document: unknown): boolean {
  return Object.entries(filter).every(([name, operand]) => {
    const filters = operand as readonly Readonly<Record<string, unknown>>[];
    if (name === "$and") return filters.every((part) => isMatch(part, document));
    if (name === "$or") return filters.some((part) => isMatch(part, document));
    if (name === "$nor") return !filters.some((part) => isMatch(part, document));
    return isFieldMatch(operandsOf(operand), (isWhole) => [
      ...reached(document, name.split("."), isWhole),
    ]);
  });
}

type Operands = Readonly<Record<string, unknown>>;
/** The values to ask; those of an array at the end of the path too, unless `isWhole`. */
type Source = (isWhole: boolean) => readonly unknown[];

function operandsOf(operand: unknown): Operands {
  const isOperators = isDocument(operand) && Object.keys(operand)[0]?.startsWith("$") === true;
  return isOperators ? operand : { $eq: operand };
}

function isFieldMatch(operands: Operands, source: Source): boolean {
  return Object.entries(operands).every(([operator, operand]) => {
    switch (operator) {
      case "$ne":
        return !isFieldMatch({ $eq: operand }, source);
      case "$nin":
        return !isFieldMatch({ $in: operand }, source);
      case "$not":
        return !isFieldMatch(operand as Operands, source);
      case "$exists":
        return source(false).some((value) => value !== undefined) === operand;
      case "$all": {
        const wanted = operand as readonly unknown[];
        return wanted.length > 0 && wanted.every((each) => isFieldMatch({ $eq: each }, source));
      }
      case "$size":
        return source(true).some((value) => Array.isArray(value) && value.length === operand);
      case "$elemMatch":
        return source(true).some((value) => isElemMatch(operand as Operands, value));
      default:
        return source(false).some((value) => isValueMatch(operator, operand, value));
    }
  });
}

function isElemMatch(operands: Operands, array: unknown): boolean {
  if (!Array.isArray(array)) return false;
  const first = Object.keys(operands)[0] ?? "";
  const isOfValues = first.startsWith("$") && !["$and", "$or", "$nor"].includes(first);
  return array.some((element: unknown) =>
    isOfValues
      ? isFieldMatch(operands, () => [element])
      : (isDocument(element) || Array.isArray(element)) && isMatch(operands, element),
  );
}

function isValueMatch(operator: string, operand: unknown, value: unknown): boolean {
  const wanted = operand as DocumentValue;
  switch (operator) {
    case "$in":
      return (operand as readonly unknown[]).some((each) => isValueMatch("$eq", each, value));
    case "$regex":
      return typeof value === "string" && new RegExp(operand as string).test(value);
    case "$type":
      return isOfType(operand, value);
    default:
  }
  if (typeOf(value) !== typeOf(wanted)) return false;
  if (Number.isNaN(value) || Number.isNaN(wanted)) {
    return Number.isNaN(value) && Number.isNaN(wanted) && !["$gt", "$lt"].includes(operator);
  }
  return isOrder(operator, compareValues(value as DocumentValue, wanted));
}

function isOrder(operator: string, order: number): boolean {
  if (operator === "$eq") return order === 0;
  if (operator === "$gt") return order > 0;
  if (operator === "$gte") return order >= 0;
  return operator === "$lt" ? order < 0 : order <= 0;
}

/** Missing and null are of one type to comparisons. */
function typeOf(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (value instanceof Date) return "date";
  if (value instanceof Uint8Array) return "bytes";
  return typeof value === "bigint" ? "number" : typeof value;
}

function isOfType(type: unknown, value: unknown): boolean {
  if (value === undefined) return false;
  const name = type === 10 ? "null" : type === "bool" ? "boolean" : type;
  return typeOf(value) === name;
}

function isDocument(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeOf(value) === "object";
}

function member(container: unknown, name: string): unknown {
  return Object.hasOwn(container as object, name) ? (container as Operands)[name] : undefined;
}

/** A document, or an array that `$elemMatch` takes for one. */
function* reached(start: unknown, names: readonly string[], isWhole: boolean): Generator {
  const [name, ...rest] = names;
  const value = member(start, name!);
  if (Array.isArray(value)) {
    if (rest.length > 0) {
      yield* inArray(value, rest, isWhole);
      return;
    }
    if (!isWhole) yield* value;
    yield value;
  } else if (rest.length === 0) {
    yield value;
  } else if (isDocument(value)) {
    yield* reached(value, rest, isWhole);
  } else {
    yield undefined;
  }
}

function* inArray(
  array: readonly unknown[],
  names: readonly string[],
  isWhole: boolean,
): Generator {
  for (const [position, element] of array.entries()) {
    if (isDocument(element)) yield* reached(element, names, isWhole);
    if (names[0] !== String(position)) continue;
    const rest = names.slice(1);
    if (rest.length === 0) yield element;
    else if (isDocument(element)) yield* reached(element, rest, isWhole);
    else if (Array.isArray(element)) yield* inArray(element, rest, isWhole);
  }
}
