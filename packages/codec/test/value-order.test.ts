import { AssertionFailure } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeDocument } from "../src/document-decode.ts";
import { encodeDocument } from "../src/document-encode.ts";
import { type DocumentValue } from "../src/document-value.ts";
import { compareKeys } from "../src/key.ts";
import { compareValues } from "../src/value-order.ts";
import { document, keyNumber, sign, text } from "./arbitrary.ts";

/** In ascending order, all different. */
const ASCENDING: readonly DocumentValue[] = [
  null,
  NaN,
  -Infinity,
  -(2n ** 63n),
  -1.5,
  0,
  2 ** 53,
  2n ** 53n + 1n,
  2n ** 64n - 1n,
  1e20,
  Infinity,
  "",
  "a",
  "aa",
  "b",
  "\uffff",
  "\u{10000}",
  {},
  { z: null },
  { a: 1 },
  { a: 1, b: 0 },
  { a: 2 },
  { b: 1 },
  { a: "" },
  { a: {} },
  [],
  [null],
  [1],
  [1, 1],
  [2],
  ["a"],
  [[]],
  new Uint8Array(0),
  Uint8Array.of(9),
  Uint8Array.of(0, 0),
  Uint8Array.of(0, 1),
  false,
  true,
  new Date(-1),
  new Date(0),
];

test("values are ordered as MongoDB orders them", () => {
  for (const [leftRank, left] of ASCENDING.entries()) {
    for (const [rightRank, right] of ASCENDING.entries()) {
      const order = sign(compareValues(left, right));
      expect(order, `${leftRank} and ${rightRank}`).toBe(sign(leftRank - rightRank));
    }
  }
});

test("undefined equals null, -0 equals 0, and a bigint equals its number", () => {
  expect(compareValues(undefined, null)).toBe(0);
  expect(compareValues(-0, 0)).toBe(0);
  expect(compareValues(2n ** 60n, 2 ** 60)).toBe(0);
  expect(compareValues(2n ** 60n + 1n, 2 ** 60)).toBeGreaterThan(0);
  expect(compareValues(NaN, -(2n ** 63n))).toBeLessThan(0);
});

test("an absent member does not count", () => {
  expect(compareValues({ a: undefined, b: 1 }, { b: 1 })).toBe(0);
  expect(compareValues({ b: 1 }, { b: 1, c: undefined })).toBe(0);
});

test("the order is total: reflexive, antisymmetric, transitive", () => {
  fc.assert(
    fc.property(document, document, document, (a, b, c) => {
      expect(compareValues(a, a)).toBe(0);
      expect(sign(compareValues(a, b))).toBe(-sign(compareValues(b, a)) + 0);
      const [first, second, third] = [a, b, c].toSorted(compareValues);
      expect(compareValues(first, second)).toBeLessThanOrEqual(0);
      expect(compareValues(second, third)).toBeLessThanOrEqual(0);
      expect(compareValues(first, third)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 2000 },
  );
});

test("encoding a value does not move it in the order", () => {
  fc.assert(
    fc.property(document, (value) => {
      expect(compareValues(value, decodeDocument(encodeDocument(value)))).toBe(0);
    }),
  );
});

test("among null, numbers and texts it is the order of keys", () => {
  const shared = fc.oneof(fc.constant(null), keyNumber, text);

  fc.assert(
    fc.property(shared, shared, (left, right) => {
      expect(sign(compareValues(left, right))).toBe(sign(compareKeys(left, right)));
    }),
    { numRuns: 1000 },
  );
});

test("values nested without end are a bug of the caller", () => {
  const cycle: DocumentValue[] = [];
  cycle.push(cycle);

  expect(() => compareValues(cycle, [...cycle])).toThrow(AssertionFailure);
});
