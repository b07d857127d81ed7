import { expect, test } from "vitest";
import { keyOf, randomKeys, randomValues } from "../src/stores/sample-pairs.ts";

test("keys have 16 bytes and the order of their numbers", () => {
  const keys = [0, 9, 10, 99_999, 1_000_000].map(keyOf);

  expect(keys.map((key) => key.length)).toEqual([16, 16, 16, 16, 16]);
  expect(keys.toSorted((a, b) => Buffer.compare(a, b))).toEqual(keys);
});

test("random keys come from the whole key space, and again from the same seed", () => {
  const keys = randomKeys(1, 1000, 10);

  expect(new Set(keys.map(String)).size).toBe(10);
  expect(randomKeys(1, 1000, 10)).toEqual(keys);
  expect(randomKeys(2, 1000, 10)).not.toEqual(keys);
});

test("values differ, and are as long as asked for", () => {
  const values = randomValues(100);

  expect(new Set(values.map(String)).size).toBe(256);
  expect(new Set(values.map(({ length }) => length))).toEqual(new Set([100]));
});
