import {
  type DocumentObject,
  type DocumentValue,
  decodeDocument,
  encodeDocument,
} from "@kvs/codec";
import { expect, test } from "vitest";
import { type FindQuery } from "../src/collection.ts";
import { queryDocument, readQueryDocument } from "../src/query-document.ts";

/** The query as a server gets it. */
function across(query: FindQuery): FindQuery {
  return readQueryDocument(decodeDocument(encodeDocument(queryDocument(query))) as DocumentObject);
}

test.each<FindQuery>([
  {},
  { filter: {} },
  { filter: { a: 1, b: { $gt: new Date(0) } }, sort: { a: 1, b: -1 }, skip: 2, limit: 3 },
  { projection: { a: 1, _id: 0 } },
  { filter: { a: /x/ } },
  { filter: { a: { $in: [/^a/i, "b", null, /c/su] }, $or: [{ b: { $not: /d/ } }, { c: [1] }] } },
  { filter: JSON.parse('{"__proto__": {"constructor": null}}') as object },
])("%o comes back as it was", (query) => {
  expect(across(query)).toEqual(query);
});

test("the caller's query is left as it was", () => {
  const filter = Object.freeze({ a: Object.freeze([/x/, 1]), b: 2 });

  expect(across({ filter })).toEqual({ filter });
  expect(filter.a[0]).toEqual(/x/);
});

test("a regular expression under a dangerous name reaches no prototype", () => {
  const filter = JSON.parse('{"__proto__": 1}') as Record<string, unknown>;
  Object.defineProperty(filter, "__proto__", { value: /x/, enumerable: true });

  const found = across({ filter }).filter!;

  expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
  expect(Object.entries(found)).toEqual([["__proto__", /x/]]);
});

test("unknown members are ignored, and known ones passed on as they are", () => {
  const document = { filter: 5, sort: "x", skip: -1, limit: null, later: [1] } as DocumentObject;

  expect(readQueryDocument(document)).toEqual({ filter: 5, sort: "x", skip: -1, limit: null });
});

test.each<[string, DocumentValue]>([
  ["no list", 7],
  ["too many", Array.from({ length: 1001 }, () => [["a"], "x", ""])],
  ["no entry", [7]],
  ["no path", [["a", "x", ""]]],
  ["no source", [[["a"], 1, ""]]],
  ["no flags", [[["a"], "x", null]]],
  ["a path to nowhere", [[["b"], "x", ""]]],
  ["a path through a number", [[["a", "b"], "x", ""]]],
  ["a path through null", [[["n", "b"], "x", ""]]],
  ["a path to a prototype", [[["o", "__proto__", "polluted"], "x", ""]]],
  ["a step that is none", [[[null], "x", ""]]],
  ["a source that is none", [[["a"], "(", ""]]],
  ["flags that are none", [[["a"], "x", "gg"]]],
])("expressions with %s are refused", (_what, expressions) => {
  const document: DocumentObject = { filter: { a: 1, n: null, o: {} }, expressions };

  expect(() => readQueryDocument(document)).toThrow("BAD_OPTION");
  expect("polluted" in {}).toBe(false);
});

test("a filter that contains itself ends in an error, soon", () => {
  const filter: Record<string, unknown> = { r: /x/ };
  filter["a"] = filter;
  filter["b"] = filter;

  expect(() => across({ filter })).toThrow(/CODEC_TOO_DEEP|CODEC_UNSUPPORTED/);
});
