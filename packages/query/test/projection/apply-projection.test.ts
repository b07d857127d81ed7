import { type DocumentObject } from "@kvs/codec";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { applyProjection, parseProjection } from "../../src/index.ts";
import { document } from "../arbitrary.ts";

function project(subject: unknown, projection: unknown): DocumentObject {
  return applyProjection(parseProjection(projection), subject as DocumentObject);
}

// MongoDB manual, "Project Fields to Return from Query".
const item = {
  _id: 1,
  item: "journal",
  status: "A",
  size: { h: 14, w: 21, uom: "cm" },
  instock: [
    { warehouse: "A", qty: 5 },
    { warehouse: "B", qty: 15 },
  ],
};

test("an inclusion gives the named fields and _id", () => {
  expect(project(item, { item: 1, status: true })).toEqual({
    _id: 1,
    item: "journal",
    status: "A",
  });
  expect(project(item, { item: 1, _id: 0 })).toEqual({ item: "journal" });
  expect(project(item, { _id: 1 })).toEqual({ _id: 1 });
  expect(project(item, { other: 1 })).toEqual({ _id: 1 });
  expect(project(item, { "size.uom": 1 })).toEqual({ _id: 1, size: { uom: "cm" } });
  expect(project(item, { size: { uom: 1, h: 1 } })).toEqual({ _id: 1, size: { h: 14, uom: "cm" } });
  expect(project(item, { "instock.qty": 1 })).toEqual({
    _id: 1,
    instock: [{ qty: 5 }, { qty: 15 }],
  });
});

test("an exclusion gives all other fields", () => {
  expect(project(item, { status: 0, instock: 0 })).toEqual({
    _id: 1,
    item: "journal",
    size: { h: 14, w: 21, uom: "cm" },
  });
  expect(project(item, { "size.uom": false })).toMatchObject({ size: { h: 14, w: 21 } });
  expect(project({ _id: 1, a: 1 }, { _id: 0 })).toEqual({ a: 1 });
  expect(project({ _id: 1, a: 1, b: 2 }, { _id: 0, a: 0 })).toEqual({ b: 2 });
  expect(project({ _id: 1, a: 1, b: 2 }, { _id: 1, a: 0 })).toEqual({ _id: 1, b: 2 });
  expect(project(item, {})).toEqual(item);
});

test("members keep the order of the document", () => {
  expect(Object.keys(project(item, { status: 1, item: 1 }))).toEqual(["_id", "item", "status"]);
  expect(Object.keys(project({ b: 1, a: 2, _id: 3 }, { a: 1, b: 1 }))).toEqual(["b", "a", "_id"]);
});

test("a path goes through arrays, nested ones too", () => {
  const nested = { a: [1, { b: 2, c: 3 }, [{ b: 4, c: 5 }, 6], {}] };
  expect(project(nested, { "a.b": 1 })).toEqual({ a: [{ b: 2 }, [{ b: 4 }], {}] });
  expect(project(nested, { "a.b": 0 })).toEqual({ a: [1, { c: 3 }, [{ c: 5 }, 6], {}] });
});

test("where a path goes on but the value has no members, an exclusion alone keeps the value", () => {
  expect(project({ a: 2 }, { "a.b": 1 })).toEqual({});
  expect(project({ a: 2 }, { "a.b": 0 })).toEqual({ a: 2 });
  expect(project({ a: null }, { "a.b": 1 })).toEqual({});
  expect(project({ a: new Date(0) }, { "a.b": 0 })).toEqual({ a: new Date(0) });
});

test("digits are names, never positions", () => {
  expect(project({ a: [{ 0: "x", 1: "y" }, 5] }, { "a.0": 1 })).toEqual({ a: [{ 0: "x" }] });
});

test("parts of _id can be named", () => {
  const subject = { _id: { a: 1, b: 2 }, c: 3 };
  expect(project(subject, { "_id.a": 1 })).toEqual({ _id: { a: 1 } });
  expect(project(subject, { "_id.a": 0 })).toEqual({ _id: { b: 2 }, c: 3 });
  expect(project(subject, { c: 1, "_id.b": 1 })).toEqual({ _id: { b: 2 }, c: 3 });
});

test("names of the prototype are data like any other", () => {
  const hostile: unknown = JSON.parse('{"__proto__": {"x": 1, "y": 2}, "constructor": 3, "a": 4}');
  const kept = project(hostile, JSON.parse('{"__proto__.x": 1, "constructor": 1}'));
  expect(JSON.stringify(kept)).toBe('{"__proto__":{"x":1},"constructor":3}');
  expect(Object.getPrototypeOf(kept)).toBe(Object.prototype);
  expect(project({ a: 1 }, { constructor: 1, toString: 1 })).toEqual({});
  expect("x" in {}).toBe(false);
});

test("an inclusion and the exclusion of the same fields share out the document", () => {
  fc.assert(
    fc.property(document, fc.subarray(["a", "b", "0"], { minLength: 1 }), (subject, names) => {
      const flags = (flag: number): unknown =>
        Object.fromEntries(names.map((name) => [name, flag]));
      const included = project(subject, flags(1));
      const excluded = project(subject, flags(0));
      expect({ ...included, ...excluded }).toEqual(subject);
      expect(Object.keys(included).filter((name) => Object.hasOwn(excluded, name))).toEqual([]);
    }),
  );
});

test("the document itself is never changed", () => {
  fc.assert(
    fc.property(document, fc.constantFrom(0, 1), (subject, flag) => {
      const before = structuredClone(subject);
      project(subject, { "a.b": flag, "b.a": flag });
      expect(subject).toEqual(before);
    }),
  );
});
