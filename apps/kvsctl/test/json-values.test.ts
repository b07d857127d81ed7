import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fromJson, isObject, parseLoosely, toJson } from "../src/json-values.ts";

test("values that JSON has no place for have a spelling", () => {
  expect(toJson(new Date(0))).toBe('{"$date":"1970-01-01T00:00:00.000Z"}');
  expect(toJson(new Uint8Array([1, 2]))).toBe('{"$binary":"AQI="}');
  expect(toJson(5n)).toBe('{"$bigint":"5"}');
  expect(toJson([Number.NaN, -0, Infinity])).toBe(
    '[{"$number":"NaN"},{"$number":"-0"},{"$number":"Infinity"}]',
  );
  expect(toJson({ a: undefined, b: null })).toBe('{"b":null}');
});

test("an object that looks like one of these stays an object", () => {
  const value = { $date: "2020-01-01" };

  expect(toJson(value)).toBe('{"$literal":{"$date":"2020-01-01"}}');
  expect(fromJson(toJson(value))).toEqual(value);
  expect(fromJson(toJson({ $literal: value }))).toEqual({ $literal: value });
});

test("what only looks like one of these is left as it is", () => {
  for (const text of [
    '{"$date":"soon"}',
    '{"$binary":"*"}',
    '{"$bigint":"x"}',
    '{"$number":"1"}',
  ]) {
    expect(fromJson(text)).toEqual(JSON.parse(text));
  }
});

test("a member may be called __proto__", () => {
  const value: unknown = fromJson('{"__proto__":{"a":1}}');

  expect(Object.keys(value as object)).toEqual(["__proto__"]);
  expect(toJson(value)).toBe('{"__proto__":{"a":1}}');
});

test("nesting has a limit", () => {
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

  expect(() => fromJson(deep)).toThrow(SyntaxError);
});

test("text that is no JSON is itself", () => {
  expect(parseLoosely("hello")).toBe("hello");
  expect(parseLoosely('"hello"')).toBe("hello");
  expect(parseLoosely("5")).toBe(5);
  expect(parseLoosely("{a:1}")).toBe("{a:1}");
});

test("objects are told from lists, dates and bytes", () => {
  expect([{}, { a: 1 }].every(isObject)).toBe(true);
  expect([null, [], new Date(), new Uint8Array(), "x", 1].some(isObject)).toBe(false);
});

test("every value comes back as it went", () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, Number.NaN, -0, -Infinity),
      fc.double(),
      fc.string(),
      fc.bigInt(),
      fc.date({ noInvalidDate: true }),
      fc.uint8Array(),
      fc.array(tie("value")),
      fc.dictionary(
        fc.oneof(fc.string(), fc.constantFrom("$date", "$binary", "$literal", "$number")),
        tie("value"),
        { maxKeys: 3, noNullPrototype: true },
      ),
    ),
  }));
  fc.assert(
    fc.property(value, (each) => {
      expect(fromJson(toJson(each))).toEqual(each);
    }),
    { numRuns: 500 },
  );
});
