import { expect, test } from "vitest";
import * as txn from "../src/index.ts";

test("exported names change only on purpose", () => {
  expect(Object.keys(txn).toSorted()).toMatchInlineSnapshot(`
    [
      "BATCH_BYTES_MAX",
      "HotCopy",
      "HybridClock",
      "KEY_BYTES_MAX",
      "MAIN_TREE",
      "Store",
      "Transaction",
      "Transactions",
      "TwoPhaseCommit",
      "VALUE_BYTES_MAX",
      "dataKeysOf",
      "encodeBatch",
      "listKeys",
      "recordKindName",
      "restoreCopy",
      "storePaths",
      "timestampFromMs",
      "timestampToMs",
    ]
  `);
});
