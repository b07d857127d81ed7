import { type DocumentObject, type DocumentValue } from "@kvs/codec";
import * as fc from "fast-check";

/** Few names and few values, so that filters meet what they ask for about half of the time. */
const scalar: fc.Arbitrary<DocumentValue> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<DocumentValue>(0, 1, 2, "x", "xy", "y") },
  { weight: 3, arbitrary: fc.constantFrom<DocumentValue>(null, true, false) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1).map((ms) => new Date(ms)) },
  { weight: 1, arbitrary: fc.constantFrom([], [1], [2], [1, 1]).map((b) => Uint8Array.from(b)) },
  { weight: 1, arbitrary: fc.constantFrom<DocumentValue>(NaN, -0, 2n ** 53n, 2 ** 53) },
);

/** Whether an arbitrary gives members in any order, or always "a" before "b". */
type MemberOrder = "any" | "alphabetic";

function valuesOf(order: MemberOrder): {
  value: fc.Arbitrary<DocumentValue>;
  document: fc.Arbitrary<DocumentObject>;
} {
  return fc.letrec<{ value: DocumentValue; document: DocumentObject }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 5, arbitrary: scalar },
      { weight: 2, arbitrary: fc.array(tie("value"), { maxLength: 3 }) },
      { weight: 2, arbitrary: tie("document") },
    ),
    document: fc
      .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "0"), tie("value")), {
        minLength: 1,
        maxLength: 2,
        selector: ([name]) => name,
      })
      .map((members) =>
        Object.fromEntries(
          order === "any"
            ? members
            : members.toSorted(([left], [right]) => (left < right ? -1 : 1)),
        ),
      ),
  }));
}

export const { value, document } = valuesOf("any");
const { value: orderedValue, document: orderedDocument } = valuesOf("alphabetic");
export { orderedDocument };

const path = fc.constantFrom("a", "b", "a.b", "b.a", "a.a", "a.0", "a.0.b", "a.b.a", "a.1", "0");
const list = fc.array(orderedValue, { maxLength: 3 });
const expression = fc.constantFrom("x", "^x", "y$", "^x.?$", "");
const typeName = fc.constantFrom<unknown>(
  "number",
  "string",
  "array",
  "null",
  "object",
  "bool",
  10,
);

/** Operators beside a field, as `{$gt: 1, $lt: 2}`. */
const operators: fc.Arbitrary<Readonly<Record<string, unknown>>> = fc.letrec<{
  operators: Readonly<Record<string, unknown>>;
}>((tie) => {
  const comparison = fc
    .tuple(fc.constantFrom("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"), orderedValue)
    .map(([operator, operand]) => ({ [operator]: operand }));
  const membership = fc
    .tuple(fc.constantFrom("$in", "$nin", "$all"), list)
    .map(([operator, operand]) => ({ [operator]: operand }));
  const other = fc.oneof(
    fc.boolean().map((operand) => ({ $exists: operand })),
    typeName.map((operand) => ({ $type: operand })),
    fc.nat({ max: 3 }).map((operand) => ({ $size: operand })),
    expression.map((operand) => ({ $regex: operand })),
  );
  const nested = fc.oneof(
    tie("operators").map((operand) => ({ $not: operand })),
    tie("operators").map((operand) => ({ $elemMatch: operand })),
    fc
      .tuple(path, tie("operators"))
      .map(([name, operand]) => ({ $elemMatch: { [name]: operand } })),
    fc.array(fc.tuple(path, orderedValue), { maxLength: 2 }).map((members) => ({
      $elemMatch: Object.fromEntries(members),
    })),
  );
  return {
    operators: fc
      .array(
        fc.oneof(
          { depthSize: "small", maxDepth: 3, withCrossShrink: true },
          { weight: 4, arbitrary: comparison },
          { weight: 2, arbitrary: membership },
          { weight: 2, arbitrary: other },
          { weight: 2, arbitrary: nested },
        ),
        { minLength: 1, maxLength: 2 },
      )
      .map((parts) => Object.fromEntries(parts.flatMap((part) => Object.entries(part)))),
  };
}).operators;

/** Filters that are well-formed. */
export const filter: fc.Arbitrary<Readonly<Record<string, unknown>>> = fc.letrec<{
  filter: Readonly<Record<string, unknown>>;
}>((tie) => {
  const field = fc
    .tuple(
      path,
      fc.oneof({ weight: 3, arbitrary: operators }, { weight: 1, arbitrary: orderedValue }),
    )
    .map(([name, operand]) => ({ [name]: operand }));
  const logical = fc
    .tuple(
      fc.constantFrom("$and", "$or", "$nor"),
      fc.array(tie("filter"), { minLength: 1, maxLength: 3 }),
    )
    .map(([operator, filters]) => ({ [operator]: filters }));
  return {
    filter: fc.oneof(
      { depthSize: "small", maxDepth: 3, withCrossShrink: true },
      { weight: 4, arbitrary: field },
      {
        weight: 1,
        arbitrary: fc.tuple(field, field).map(([left, right]) => ({ ...left, ...right })),
      },
      { weight: 1, arbitrary: logical },
    ),
  };
}).filter;
