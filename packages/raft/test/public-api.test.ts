import { expect, test } from "vitest";
import * as conformance from "../src/conformance/index.ts";
import * as wal from "../src/wal/index.ts";
import * as api from "../src/index.ts";

test("the package exports these names", () => {
  expect(Object.keys(api).toSorted()).toMatchInlineSnapshot(`
    [
      "DEFAULT_SETTINGS",
      "DRIVER_MUTANTS",
      "DiskSnapshotStore",
      "InProcessHub",
      "MEMBERS_MAX",
      "MUTANTS",
      "MemoryLogStore",
      "MemorySnapshotStore",
      "MultiRaft",
      "NetworkTransport",
      "POSITION_MAX",
      "RaftCore",
      "RaftNode",
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

test("its sub-paths export these names", () => {
  expect(Object.keys(wal).toSorted()).toMatchInlineSnapshot(`
    [
      "LOG_MUTANTS",
      "WalGroupLog",
      "WalLogStore",
    ]
  `);
  expect(Object.keys(conformance).toSorted()).toMatchInlineSnapshot(`
    [
      "logStoreConformance",
    ]
  `);
});
