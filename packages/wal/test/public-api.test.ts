import { expect, test } from "vitest";

import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "BUFFERED_BYTES_MAX",
      "COMPRESS_FROM_BYTES_DEFAULT",
      "RECORD_BYTES_DEFAULT",
      "RECORD_BYTES_MAX",
      "RESERVE_BYTES_MAX",
      "RETENTIONS_MAX",
      "SEGMENT_BYTES_DEFAULT",
      "SEGMENT_BYTES_MAX",
      "SEGMENT_BYTES_MIN",
      "SPARE_SEGMENTS_DEFAULT",
      "SPARE_SEGMENTS_MAX",
      "Wal",
      "WalReader",
      "checkWal",
      "dumpWal",
      "toLsn",
    ]
  `);
});
