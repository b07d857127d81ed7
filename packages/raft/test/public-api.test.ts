import { expect, test } from "vitest";
import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "DEFAULT_SETTINGS",
      "MEMBERS_MAX",
      "MUTANTS",
      "MemoryLogStore",
      "POSITION_MAX",
      "RaftCore",
      "bytesOf",
      "changeConfiguration",
      "countOf",
      "decodeConfiguration",
      "decodeFrame",
      "describeConfiguration",
      "describeEntries",
      "describeMessage",
      "describeProgress",
      "describeState",
      "encodeConfiguration",
      "encodeFrame",
      "findViolation",
      "lastIndexOf",
      "packPayloads",
      "payloadAt",
      "quorumCommitted",
      "voteResult",
    ]
  `);
});
