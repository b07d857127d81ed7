import { type KvsError } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  compileFilter,
  FILTER_DEPTH_MAX,
  FILTER_TESTS_MAX,
  FILTER_VALUES_MAX,
  parseFilter,
  parseProjection,
  parseSort,
} from "../../src/index.ts";
import { document } from "../arbitrary.ts";

function errorOf(filter: unknown): string {
  try {
    parseFilter(filter);
  } catch (error) {
    return (error as KvsError).message;
  }
  return "no error";
}

test("an operator that is misspelt is named, with what was meant", () => {
  expect(errorOf({ a: { $gtr: 1 } })).toMatchInlineSnapshot(
    `"QUERY_UNKNOWN_OPERATOR: at filter.a.$gtr: "$gtr" is no operator here; did you mean $gt?"`,
  );
  expect(errorOf({ a: { $Exists: true } })).toContain("did you mean $exists?");
  expect(errorOf({ a: { $elemmatch: {} } })).toContain("did you mean $elemMatch?");
  expect(errorOf({ a: { $ni: [] } })).toContain("did you mean $in?");
  expect(errorOf({ $ro: [] })).toContain("did you mean $or?");
  expect(errorOf({ $where: "1" })).toMatchInlineSnapshot(
    `"QUERY_UNKNOWN_OPERATOR: at filter.$where: "$where" is no operator here; known here are $and, $or, $nor"`,
  );
  expect(errorOf({ $gt: 1 })).toMatchInlineSnapshot(
    `"QUERY_UNKNOWN_OPERATOR: at filter.$gt: "$gt" is no operator here; it stands beside a field: {field: {$gt: …}}"`,
  );
  expect(errorOf({ a: { $or: [] } })).toMatchInlineSnapshot(
    `"QUERY_UNKNOWN_OPERATOR: at filter.a.$or: "$or" is no operator here; it combines whole filters and stands outside of fields"`,
  );
  expect(errorOf({ a: { $constructor: 1 } })).toContain("QUERY_UNKNOWN_OPERATOR");
  expect(errorOf({ a: { $gt: 1, $not: { $foo: 1 } } })).toContain("filter.a.$not.$foo");
});

test("an operand of the wrong type is refused where it stands", () => {
  expect(errorOf({ a: { $in: 5 } })).toMatchInlineSnapshot(
    `"QUERY_BAD_OPERAND: at filter.a.$in: a list is needed; write […]"`,
  );
  expect(errorOf({ $or: [{ a: 1 }, 7] })).toMatchInlineSnapshot(
    `"QUERY_BAD_OPERAND: at filter.$or[1]: a number is no filter; write an object of fields and conditions"`,
  );
  expect(errorOf({ a: { $gt: 1, b: 2 } })).toMatchInlineSnapshot(
    `"QUERY_BAD_OPERAND: at filter.a: operators and fields stand beside each other; write either operators, or with $eq the document to equal"`,
  );
  expect(errorOf({ a: undefined })).toMatchInlineSnapshot(
    `"QUERY_BAD_OPERAND: at filter.a: undefined is no value of documents; for a field without a value write null or {$exists: false}"`,
  );
  expect(errorOf({ a: { $in: [1, { b: () => 1 }] } })).toContain("at filter.a.$in[1].b:");
  expect(errorOf({ a: { $exists: "yes" } })).toContain("$exists takes true or false, not a text");
});

const REFUSED: readonly unknown[] = [
  null,
  5,
  "x",
  [],
  new Date(0),
  new Map(),
  { $or: [] },
  { $and: {} },
  { $or: [null] },
  { a: { $not: 5 } },
  { a: { $not: {} } },
  { a: { $not: "x" } },
  { a: { $size: -1 } },
  { a: { $size: 1.5 } },
  { a: { $size: "1" } },
  { a: { $type: "strin" } },
  { a: { $type: [] } },
  { a: { $type: 99 } },
  { a: { $type: null } },
  { a: { $elemMatch: 5 } },
  { a: { $elemMatch: { $gt: 1, b: 1 }, $or: 1 } },
  { a: { $all: "x" } },
  { a: { $all: [{ $elemMatch: { b: 1 } }, 5] } },
  { a: { $all: [{ $elemMatch: {}, b: 1 }] } },
  { a: { $in: [{ $gt: 1 }] } },
  { a: { $nin: null } },
  { a: { $eq: /x/ } },
  { a: { $ne: /x/ } },
  { a: { $gt: /x/ } },
  { a: [/x/] },
  { a: { $gt: undefined } },
  { a: [undefined] },
  { a: Symbol("x") },
  { a: new Date(NaN) },
  { a: 2n ** 64n },
  { a: "\ud800" },
  { a: { "\ud800": 1 } },
  { a: { $options: "i" } },
  { a: { $regex: "x", $options: "q" } },
  { a: { $regex: "x", $options: 5 } },
  { a: { $regex: /x/i, $options: "i" } },
  { a: { $regex: 5 } },
];

test("what cannot be meant is refused, and the message says where it stands", () => {
  for (const filter of REFUSED) {
    expect.soft({ filter, error: errorOf(filter) }).toMatchObject({
      error: expect.stringMatching(/^QUERY_(?:BAD_OPERAND|UNKNOWN_OPERATOR): at filter/),
    });
  }
});

test("paths need names between their dots", () => {
  for (const path of ["", ".", "a.", ".a", "a..b", "\ud800"]) {
    expect(errorOf({ [path]: 1 })).toContain("QUERY_BAD_PATH");
  }
  expect(errorOf({ ["a.".repeat(101) + "a"]: 1 })).toContain("QUERY_TOO_DEEP");
  expect(errorOf({ ["a".repeat(1025)]: 1 })).toContain("QUERY_TOO_LARGE");
  expect(parseFilter({ ["a.".repeat(100) + "a"]: 1 }).type).toBe("field");
});

test("depth and size have limits", () => {
  const nested = (levels: number): unknown => {
    let filter: unknown = { a: 1 };
    for (let level = 0; level < levels; level++) filter = { $and: [filter, {}] };
    return filter;
  };
  const deepValue = (levels: number): unknown => {
    let value: unknown = 1;
    for (let level = 0; level < levels; level++) value = [value];
    return value;
  };
  const cycle: Record<string, unknown> = {};
  cycle["$or"] = [cycle];

  expect(errorOf(nested(FILTER_DEPTH_MAX))).toBe("no error");
  expect(errorOf(nested(FILTER_DEPTH_MAX + 1))).toContain("QUERY_TOO_DEEP");
  expect(errorOf(nested(10_000))).toContain("QUERY_TOO_DEEP");
  expect(errorOf(cycle)).toContain("QUERY_TOO_DEEP");
  expect(errorOf({ a: cycle["$or"] })).toContain("QUERY_TOO_DEEP");
  expect(errorOf({ a: deepValue(100) })).toBe("no error");
  expect(errorOf({ a: deepValue(101) })).toContain("QUERY_TOO_DEEP");
  for (const operator of ["$not", "$elemMatch"]) {
    let operators: unknown = { $gt: 1 };
    for (let level = 0; level < 5000; level++) operators = { [operator]: operators };
    expect(errorOf({ a: operators })).toContain("QUERY_TOO_DEEP");
  }
  const conditions = Array.from({ length: FILTER_TESTS_MAX + 1 }, () => ({ a: 1 }));
  expect(errorOf({ $or: conditions })).toContain("QUERY_TOO_LARGE");
  const values = Array.from({ length: FILTER_VALUES_MAX + 1 }, (_, index) => index);
  expect(errorOf({ a: { $in: values } })).toContain("QUERY_TOO_LARGE");
  expect(errorOf({ a: { $in: values.slice(1) } })).toBe("no error");
});

test("a filter is a tree of plain nodes", () => {
  expect(parseFilter({})).toEqual({ type: "and", filters: [] });
  expect(parseFilter({ a: { $gt: 1, $ne: 5 }, $or: [{ b: /x/gi }, { "c.d": null }] })).toEqual({
    type: "and",
    filters: [
      {
        type: "and",
        filters: [
          { type: "field", path: "a", test: { type: "compare", operator: "$gt", value: 1 } },
          {
            type: "not",
            filter: {
              type: "field",
              path: "a",
              test: { type: "compare", operator: "$eq", value: 5 },
            },
          },
        ],
      },
      {
        type: "or",
        filters: [
          { type: "field", path: "b", test: { type: "regex", pattern: "x", options: "i" } },
          { type: "field", path: "c.d", test: { type: "compare", operator: "$eq", value: null } },
        ],
      },
    ],
  });
});

test("a parsed filter shares nothing with what was parsed", () => {
  const date = new Date(5);
  const bytes = Uint8Array.of(1);
  const list = [1];
  const isMatch = compileFilter(parseFilter({ a: date, b: bytes, c: { $in: list }, d: { list } }));
  date.setTime(6);
  bytes[0] = 2;
  list[0] = 2;
  const before = { a: new Date(5), b: Uint8Array.of(1), c: 1, d: { list: [1] } };
  expect(isMatch(before)).toBe(true);
});

test("members that are undefined do not count in documents to equal", () => {
  expect(compileFilter(parseFilter({ a: { b: undefined, c: 1 } }))({ a: { c: 1 } })).toBe(true);
});

/** JSON with many operators in it, in places where they belong and where they do not. */
const hostile = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    fc.constantFrom<unknown>(null, true, 0, 1, -1, 1.5, 99, "", "x", "a.b", "(", "(?=x)", "i", "1"),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true }),
    fc.array(tie("value"), { maxLength: 3 }),
    fc
      .array(
        fc.tuple(
          fc.oneof(
            fc.constantFrom("$and", "$or", "$nor", "$not", "$gt", "$in", "$all", "$elemMatch"),
            fc.constantFrom("$regex", "$options", "$size", "$type", "$exists", "$eq", "$slice"),
            fc.constantFrom("a", "b", "a.b", "a.0", "__proto__", "constructor", "prototype", "_id"),
            fc.string({ maxLength: 3 }),
          ),
          tie("value"),
        ),
        { maxLength: 3 },
      )
      .map((members) => Object.fromEntries(members)),
  ),
})).value;

test("anything at all is parsed, or refused with a code of this package", () => {
  let parsed = 0;
  fc.assert(
    fc.property(hostile, document, (anything, each) => {
      for (const parse of [parseFilter, parseSort, parseProjection]) {
        try {
          const result = parse(anything);
          if (parse === parseFilter) compileFilter(result as ReturnType<typeof parseFilter>)(each);
          parsed++;
        } catch (error) {
          expect((error as KvsError).code).toMatch(/^QUERY_/);
          expect((error as KvsError).outcome).toBe("none");
        }
      }
    }),
    { numRuns: 3000 },
  );
  expect(parsed).toBeGreaterThan(100);
  expect(Object.keys(Object.prototype)).toEqual([]);
});
