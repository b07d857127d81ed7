import { expect, test } from "vitest";
import { parseSort, SORT_FIELDS_MAX } from "../../src/index.ts";

function fields(sort: unknown): readonly unknown[] {
  return parseSort(sort).map(({ path, direction }) => [path.text, direction]);
}

test("a sort names fields and directions, in the order that counts", () => {
  expect(fields({ b: 1, "a.c": -1 })).toEqual([
    ["b", 1],
    ["a.c", -1],
  ]);
  expect(
    fields([
      ["b", 1],
      ["7", -1],
    ]),
  ).toEqual([
    ["b", 1],
    ["7", -1],
  ]);
  expect(fields({})).toEqual([]);
  expect(fields(JSON.parse('{"__proto__": 1}'))).toEqual([["__proto__", 1]]);
});

test("what is no sort is refused", () => {
  const refused = [
    null,
    5,
    "a",
    new Map(),
    { a: 0 },
    { a: "1" },
    { a: null },
    { $a: 1 },
    { a: true },
  ];
  for (const sort of [
    ...refused,
    ["a"],
    [["a"]],
    [["a", 1, 2]],
    [[1, 1]],
    [
      ["a", 1],
      ["a", -1],
    ],
  ]) {
    expect(() => parseSort(sort)).toThrow(expect.objectContaining({ code: "QUERY_BAD_OPERAND" }));
  }
  expect(() => parseSort({ "a..b": 1 })).toThrow(
    expect.objectContaining({ code: "QUERY_BAD_PATH" }),
  );
  expect(() => parseSort({ a: { $meta: "textScore" } })).toThrow(
    expect.objectContaining({ code: "QUERY_UNSUPPORTED" }),
  );
});

test("a sort has a limit of fields", () => {
  const many = (count: number): unknown => Array.from({ length: count }, (_, at) => [`f${at}`, 1]);
  expect(parseSort(many(SORT_FIELDS_MAX))).toHaveLength(SORT_FIELDS_MAX);
  expect(() => parseSort(many(SORT_FIELDS_MAX + 1))).toThrow(
    expect.objectContaining({ code: "QUERY_TOO_LARGE" }),
  );
});
