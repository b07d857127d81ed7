import { type KvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { parseProjection, PROJECTION_FIELDS_MAX } from "../../src/index.ts";

function errorOf(projection: unknown): string {
  try {
    parseProjection(projection);
  } catch (error) {
    return (error as KvsError).message;
  }
  return "no error";
}

test("inclusion beside exclusion is refused, _id aside", () => {
  expect(errorOf({ a: 1, b: 0 })).toMatchInlineSnapshot(
    `"QUERY_BAD_PROJECTION: at projection.b: inclusion and exclusion stand beside each other; name only what to give, or only what to leave out; _id alone may differ"`,
  );
  expect(errorOf({ "_id.a": 0, b: 1 })).toContain("QUERY_BAD_PROJECTION");
  expect(errorOf({ _id: 0, b: 1 })).toBe("no error");
  expect(errorOf({ _id: 1, b: 0 })).toBe("no error");
});

test("a path within another is refused", () => {
  for (const projection of [
    { a: 1, "a.b": 1 },
    { "a.b": 1, a: 1 },
    { "a.b": 1, a: { b: 1 } },
    { _id: 1, "_id.a": 1 },
    { "_id.a": 1, _id: 1 },
  ]) {
    expect(errorOf(projection)).toContain("lies within another");
  }
  expect(errorOf({ "a.b": 1, a: { c: 1 } })).toBe("no error");
});

test("what is not supported is named", () => {
  expect(errorOf({ a: { $slice: 5 } })).toMatchInlineSnapshot(
    `"QUERY_UNSUPPORTED: at projection.a.$slice: $slice is not supported in a projection; give the whole field"`,
  );
  expect(errorOf({ a: { $elemMatch: { b: 1 } } })).toContain("$elemMatch is not supported");
  expect(errorOf({ "a.$": 1 })).toContain("the positional $ is not supported");
  expect(errorOf({ a: { $meta: "textScore" } })).toContain("$meta is not supported");
  expect(errorOf({ a: "$b" })).toContain("computed in a projection are not supported");
  expect(errorOf({ a: [1] })).toContain("QUERY_UNSUPPORTED");
});

test("what is no projection is refused", () => {
  for (const projection of [null, 5, "a", [], new Map(), { a: null }, { a: {} }, { a: NaN }]) {
    expect(errorOf(projection)).toContain("QUERY_BAD_OPERAND");
  }
  expect(errorOf({ a: undefined })).toContain("undefined says neither yes nor no");
  expect(errorOf({ "a..b": 1 })).toContain("QUERY_BAD_PATH");
  expect(errorOf({ a: 5n, b: 2.5 })).toBe("no error");
});

test("depth and size have limits", () => {
  let deep: unknown = 1;
  for (let level = 0; level < 5000; level++) deep = { a: deep };
  expect(errorOf(deep)).toContain("QUERY_TOO_DEEP");
  const many = (count: number): unknown =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, 1]));
  expect(errorOf(many(PROJECTION_FIELDS_MAX))).toBe("no error");
  expect(errorOf(many(PROJECTION_FIELDS_MAX + 1))).toContain("QUERY_TOO_LARGE");
});
