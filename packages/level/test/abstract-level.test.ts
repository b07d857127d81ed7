import { MemoryDisk } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { expect, test } from "vitest";
import { StoreLevel } from "../src/index.ts";
import { runPublishedSuite } from "./published-suite.ts";

/** Of version 3.1.1, on a database and on a sublevel; fewer would mean that some did not run. */
const TESTS = 1509;

test("the suite of abstract-level passes, and leaves nothing out that the manifest does not", async () => {
  const report = await runPublishedSuite((options) => {
    const environment = { ...createNodeEnvironment(), disk: new MemoryDisk() };
    const small = { path: "store", memoryBytes: 1 << 18, segmentBytes: 64 << 10 };
    return new StoreLevel(environment, small, options);
  });

  expect(report.failures).toEqual([]);
  expect(report.skipped).toEqual([]);
  expect(report.tests).toBe(TESTS);
  const { tests, assertions } = report;
  console.log(`suite of abstract-level: ${tests} tests, ${assertions} assertions, 0 left out`);
}, 600_000);
