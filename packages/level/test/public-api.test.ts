import { expect, test } from "vitest";
import * as store from "../src/index.ts";
import * as api from "../wiring/index.ts";
import * as keyv from "../wiring/keyv.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toEqual(["Level"]);
  expect(Object.keys(keyv).toSorted()).toEqual(["KvsKeyv"]);
  expect(Object.keys(store).toSorted()).toEqual([
    "KeyvStore",
    "StoreIterator",
    "StoreLevel",
    "StoreSnapshot",
  ]);
});
