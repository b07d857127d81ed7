import { type DocumentObject } from "@kvs/codec";
import { expect, test } from "vitest";
import { parsePath, valuesAt } from "../src/index.ts";

function values(document: unknown, path: string, leaf?: "whole"): readonly unknown[] {
  return valuesAt(document as DocumentObject, parsePath(path), leaf);
}

test("a path is parsed into names", () => {
  expect(parsePath("a.b.0")).toEqual({ text: "a.b.0", names: ["a", "b", "0"] });
  expect(() => parsePath("a..b", "sort.a")).toThrow(
    expect.objectContaining({ code: "QUERY_BAD_PATH", message: expect.stringContaining("sort.a") }),
  );
});

// MongoDB, src/mongo/db/matcher/path_test.cpp.
test("a path reaches what MongoDB's own tests say", () => {
  expect(values({ x: 4, a: 5 }, "a")).toEqual([5]);
  expect(values({ a: [5, 4] }, "a")).toEqual([5, 4, [5, 4]]);
  expect(values({ a: [5, 4] }, "a", "whole")).toEqual([[5, 4]]);
  expect(values({ a: { b: 5 } }, "a.b")).toEqual([5]);
  expect(values({ a: { b: [5, 6] } }, "a.b")).toEqual([5, 6, [5, 6]]);
  expect(values({ a: [{ b: 5 }, 3, {}, { b: [9, 11] }, { b: 7 }] }, "a.b")).toEqual([
    5,
    9,
    11,
    [9, 11],
    7,
  ]);
  expect(values({ a: [5, 7, 3] }, "a.1")).toEqual([7]);
  expect(values({ a: [5, [2, 4], 3] }, "a.1")).toEqual([[2, 4]]);
  expect(values({ a: [5, { 1: 4 }, 3] }, "a.1")).toEqual([4, { 1: 4 }]);
  expect(values({ a: [5, { b: 4 }, 3] }, "a.1.b")).toEqual([4]);
  expect(values({ a: [5, [{ b: 4 }], 3] }, "a.1.b")).toEqual([4]);
  expect(values({ a: [] }, "a")).toEqual([[]]);
});

test("what is missing is left out", () => {
  expect(values({}, "a")).toEqual([]);
  expect(values({ a: 5 }, "a.b")).toEqual([]);
  expect(values({ a: "xy" }, "a.length")).toEqual([]);
  expect(values({ a: Uint8Array.of(7) }, "a.0")).toEqual([]);
  expect(values({ a: [1, 2] }, "a.length")).toEqual([]);
  expect(values({ a: {} }, "a.constructor")).toEqual([]);
});
