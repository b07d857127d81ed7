import { compareValues, type DocumentObject, type DocumentValue } from "@kvs/codec";
import * as fc from "fast-check";
import { aggregate } from "mingo";
import { expect, test } from "vitest";
import { compareDocuments, compareSortKeys, parseSort, sortKeyOf } from "../../src/index.ts";
import { document, value } from "../arbitrary.ts";

function sorted(documents: readonly unknown[], sort: unknown): readonly unknown[] {
  const spec = parseSort(sort);
  return (documents as readonly DocumentObject[]).toSorted((left, right) =>
    compareDocuments(left, right, spec),
  );
}

function keyOf(subject: unknown, sort: unknown): readonly unknown[] {
  return sortKeyOf(subject as DocumentObject, parseSort(sort));
}

test("values of all types have MongoDB's order", () => {
  // Manual, "Comparison/Sort Order"; the empty array sorts as BSON's undefined did.
  const ascending = [
    { a: [] },
    { a: null },
    { a: NaN },
    { a: -Infinity },
    { a: -1 },
    { a: 0 },
    { a: 2n ** 60n },
    { a: Infinity },
    { a: "" },
    { a: "A" },
    { a: "a" },
    { a: "\uffff" },
    { a: "\u{10000}" },
    { a: {} },
    { a: { a: 1 } },
    { a: { a: "x" } },
    { a: [[]] },
    { a: [[1]] },
    { a: Uint8Array.of(9) },
    { a: Uint8Array.of(0, 0) },
    { a: false },
    { a: true },
    { a: new Date(-1) },
    { a: new Date(1) },
  ];
  expect(sorted(ascending.toReversed(), { a: 1 })).toEqual(ascending);
  expect(sorted(ascending, { a: -1 })).toEqual(ascending.toReversed());
});

test("null and missing are equal", () => {
  const documents = [{ _id: 1, a: null }, { _id: 2 }, { _id: 3, a: 0 }, { _id: 4, a: undefined }];
  expect(sorted(documents, { a: 1 })).toMatchObject([
    { _id: 1 },
    { _id: 2 },
    { _id: 4 },
    { _id: 3 },
  ]);
  expect(sorted(documents, { a: -1 })).toMatchObject([
    { _id: 3 },
    { _id: 1 },
    { _id: 2 },
    { _id: 4 },
  ]);
});

test("an array counts by its least element when ascending, its greatest when descending", () => {
  const documents = [{ a: [3, 9] }, { a: 5 }, { a: [4, 4.5] }];
  expect(sorted(documents, { a: 1 })).toEqual([{ a: [3, 9] }, { a: [4, 4.5] }, { a: 5 }]);
  expect(sorted(documents, { a: -1 })).toEqual([{ a: [3, 9] }, { a: 5 }, { a: [4, 4.5] }]);
  expect(keyOf({ a: [{ b: 2 }, { b: 1 }, { b: [7, 0] }] }, { "a.b": 1 })).toEqual([0]);
  expect(keyOf({ a: [{ b: 2 }, { b: 1 }, { b: [7, 0] }] }, { "a.b": -1 })).toEqual([7]);
});

test("elements that lack the field count as null, and nested arrays as a whole", () => {
  expect(keyOf({ a: [1, { b: 2 }] }, { "a.b": 1 })).toEqual([null]);
  expect(keyOf({ a: [[1, 2], [0]] }, { a: 1 })).toEqual([[0]]);
  expect(keyOf({ a: [[{ b: 1 }]] }, { "a.b": 1 })).toEqual([null]);
  expect(keyOf({ a: [] }, { a: 1 })).toEqual([undefined]);
  expect(keyOf({ a: [] }, { "a.b": 1 })).toEqual([null]);
  expect(keyOf({ a: [{ b: [] }, { b: 1 }] }, { "a.b": 1 })).toEqual([undefined]);
  expect(keyOf({ a: 5 }, { "a.b": 1 })).toEqual([null]);
});

test("a part that is an index takes the element at that position", () => {
  expect(keyOf({ a: [7, 8] }, { "a.1": 1 })).toEqual([8]);
  expect(keyOf({ a: [[1, 2]] }, { "a.0": 1 })).toEqual([[1, 2]]);
  expect(keyOf({ a: [{ b: 3 }, { b: 1 }] }, { "a.0.b": 1 })).toEqual([3]);
  expect(keyOf({ a: [{ 5: 4 }] }, { "a.5": 1 })).toEqual([4]);
  expect(keyOf({ a: [[{ b: 5 }, { b: 4 }]] }, { "a.0.b": 1 })).toEqual([4]);
  expect(keyOf({ a: [7] }, { "a.01": 1 })).toEqual([null]);
});

test("fields that meet the same array take their values from one element", () => {
  const subject = {
    a: [
      { b: 1, c: 1 },
      { b: 1, c: 5 },
      { b: 2, c: 9 },
    ],
    d: 0,
  };
  expect(keyOf(subject, { "a.b": 1, "a.c": -1 })).toEqual([1, 5]);
  expect(keyOf(subject, { "a.b": 1, "a.c": 1, d: 1 })).toEqual([1, 1, 0]);
  expect(keyOf(subject, { "a.c": -1, "a.b": 1 })).toEqual([9, 2]);
  expect(keyOf({ a: [1, 2], b: 5 }, { b: 1, a: -1 })).toEqual([5, 2]);
  expect(keyOf({ a: [{ b: 1 }, { b: 0 }] }, { "a.0.b": 1, "a.b": 1 })).toEqual([1, 0]);
});

test("different arrays at two fields are refused", () => {
  const error = expect.objectContaining({ code: "QUERY_SORT_PARALLEL_ARRAYS" });
  expect(() => keyOf({ a: [1], b: [2] }, { a: 1, b: 1 })).toThrow(error);
  expect(() => keyOf({ a: [{ b: [1], c: [2] }] }, { "a.b": 1, "a.c": 1 })).toThrow(error);
  expect(() => keyOf({ a: [], b: [] }, { a: 1, b: 1 })).toThrow(error);
});

test("names of the prototype are data like any other", () => {
  expect(keyOf({}, { constructor: 1, toString: 1 })).toEqual([null, null]);
  expect(keyOf(JSON.parse('{"__proto__": 5}'), JSON.parse('{"__proto__": 1}'))).toEqual([5]);
});

test("the key of an array is the first of its elements' keys", () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 6 }),
      fc.constantFrom(1, -1),
      (a, way) => {
        const inOrder = a.toSorted((left, right) => way * compareValues(left, right));
        expect(compareValues(keyOf({ a }, { a: way })[0] as DocumentValue, inOrder[0])).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
});

test("keys have a total order, whatever the documents", () => {
  const sort = parseSort({ a: 1, "b.a": -1 });
  const key = document
    .map((subject) => {
      try {
        return sortKeyOf(subject, sort);
      } catch {
        return undefined;
      }
    })
    .filter((found) => found !== undefined);
  fc.assert(
    fc.property(key, key, key, (first, second, third) => {
      const compare = (left: typeof first, right: typeof first): number =>
        Math.sign(compareSortKeys(left, right, sort));
      expect(compare(first, first)).toBe(0);
      expect(compare(first, second) + compare(second, first)).toBe(0);
      if (compare(first, second) <= 0 && compare(second, third) <= 0) {
        expect(compare(first, third)).toBeLessThanOrEqual(0);
      }
    }),
    { numRuns: 1000 },
  );
});

test("sorts agree with mingo on values that it orders as MongoDB does", () => {
  // mingo puts missing before null, takes an array's least element when descending too, orders
  // documents by their sorted names and bytes as text, and has no place for NaN and bigint.
  const scalar = fc.constantFrom<DocumentValue>(
    null,
    0,
    1,
    2,
    -1,
    1.5,
    "",
    "x",
    "xy",
    "y",
    true,
    false,
    new Date(0),
    new Date(1),
    {},
    -0,
  );
  const subject = fc
    .tuple(scalar, scalar, scalar)
    .map(([a, b, c]): DocumentObject => ({ a, b, c: { d: c } }));
  const sort = fc
    .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c.d"), fc.constantFrom(1, -1)), {
      minLength: 1,
      maxLength: 3,
      selector: ([name]) => name,
    })
    .map((members) => Object.fromEntries(members));
  fc.assert(
    fc.property(fc.array(subject, { maxLength: 30 }), sort, (subjects, spec) => {
      const numbered = subjects.map((each, _id) => ({ _id, ...each }));
      const expected = aggregate(numbered, [{ $sort: spec }]);
      expect(sorted(numbered, spec)).toEqual(expected);
    }),
    { numRuns: 2000 },
  );
});
