import { expect, test } from "vitest";
import * as api from "../src/index.ts";
import * as testing from "../src/testing/memory-database.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "Server",
      "isLoopback",
      "warmUp",
    ]
  `);
});

test("and for tests these", () => {
  expect(Object.keys(testing).toSorted()).toMatchInlineSnapshot(`
    [
      "MemoryDatabase",
      "MemoryDatabases",
      "MemoryStorage",
    ]
  `);
});
