import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Key, compareKeys } from "../src/key.ts";
import { key, sign } from "./arbitrary.ts";

/** In ascending order, all different. */
const ASCENDING: readonly Key[] = [
  null,
  false,
  true,
  -Infinity,
  -1e300,
  -1,
  -Number.MIN_VALUE,
  0,
  Number.MIN_VALUE,
  1,
  2 ** 53,
  Infinity,
  "",
  "\0",
  "a",
  "a\0",
  "ab",
  "b",
  "\uffff",
  "\u{10000}",
  new Uint8Array(0),
  Uint8Array.of(0),
  Uint8Array.of(0, 0),
  Uint8Array.of(1),
  Uint8Array.of(255),
  [],
  [null],
  [null, null],
  [1],
  ["a"],
  ["a", null],
  ["a", 1],
  ["a\0"],
  ["ab"],
  [Uint8Array.of(0), "z"],
];

test("keys are ordered by type, then by value", () => {
  for (const [leftRank, left] of ASCENDING.entries()) {
    for (const [rightRank, right] of ASCENDING.entries()) {
      expect(sign(compareKeys(left, right))).toBe(sign(leftRank - rightRank));
    }
  }
});

test("-0 and 0 are one key", () => {
  expect(compareKeys(-0, 0)).toBe(0);
  expect(compareKeys([-0], [0])).toBe(0);
});

test("the order is total: reflexive, antisymmetric, transitive", () => {
  fc.assert(
    fc.property(key, key, key, (a, b, c) => {
      expect(compareKeys(a, a)).toBe(0);
      expect(sign(compareKeys(a, b))).toBe(-sign(compareKeys(b, a)) + 0);
      if (compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0) {
        expect(compareKeys(a, c)).toBeLessThanOrEqual(0);
      }
    }),
  );
});
