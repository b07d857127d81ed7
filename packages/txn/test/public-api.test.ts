import { expect, test } from "vitest";
import * as txn from "../src/index.ts";

test("exported names change only on purpose", () => {
  expect(Object.keys(txn).toSorted()).toMatchInlineSnapshot(`
    [
      "BATCH_BYTES_MAX",
      "KEY_BYTES_MAX",
      "MAIN_TREE",
      "Store",
      "VALUE_BYTES_MAX",
      "encodeBatch",
      "recordKindName",
      "storePaths",
      "timestampFromMs",
      "timestampToMs",
    ]
  `);
});
