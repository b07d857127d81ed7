import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";
import { median, medianOfPresent, ratioOf, spreadOf } from "../src/statistics.ts";

test("the median of an odd number of values is the one in the middle", () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([7])).toBe(7);
});

test("the median of an even number of values is the mean of the two in the middle", () => {
  expect(median([10, 1, 3, 2])).toBe(2.5);
});

test("the median orders by size, not by text, and leaves its argument alone", () => {
  const values = [100, 9, 20];

  expect(median(values)).toBe(20);
  expect(values).toEqual([100, 9, 20]);
});

test("the median of nothing is a bug", () => {
  expect(() => median([])).toThrow(AssertionFailure);
});

test("one disturbed sample of five moves the spread and not the median", () => {
  expect(median([10, 11, 0.1, 12, 11])).toBe(11);
  expect(spreadOf([10, 11, 0.1, 12, 11])).toEqual([0.1, 12]);
});

test("absent costs are left out of their median", () => {
  expect(medianOfPresent([undefined, 4, undefined, 2])).toBe(3);
  expect(medianOfPresent([undefined])).toBeUndefined();
});

test("a ratio above 1 says that we are better, for rates and for times", () => {
  expect(ratioOf(200, 100, "more")).toBe(2);
  expect(ratioOf(5, 20, "less")).toBe(4);
});
