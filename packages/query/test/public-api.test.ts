import { expect, test } from "vitest";
import * as api from "../src/index.ts";
import * as wired from "../wiring/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(wired).toSorted()).toMatchInlineSnapshot(`
    [
      "open",
      "openEngine",
    ]
  `);
});

test("its engine exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "DatabaseEngine",
      "DocumentSorter",
      "FILTER_DEPTH_MAX",
      "FILTER_TESTS_MAX",
      "FILTER_VALUES_MAX",
      "PATH_MAX_CHARACTERS",
      "PATH_NAMES_MAX",
      "PROJECTION_FIELDS_MAX",
      "REGEX_INSTRUCTIONS_MAX",
      "REGEX_PATTERN_MAX",
      "REGEX_WORK_MAX",
      "SORT_FIELDS_MAX",
      "SORT_MAX_BYTES",
      "TopK",
      "applyProjection",
      "compareDocuments",
      "compareSortKeys",
      "compileFilter",
      "openDatabase",
      "openEngine",
      "parseFilter",
      "parsePath",
      "parseProjection",
      "parseSort",
      "sortKeyOf",
      "valuesAt",
    ]
  `);
});
