import { expect, test } from "vitest";
import { noTestHooks } from "../src/test-hooks.ts";
import { noTrace } from "../src/trace.ts";

test("in production no rare branch is taken and no sabotage is on", () => {
  expect(noTestHooks.buggify("wal.rotate-early")).toBe(false);
  expect(noTestHooks.hasMutant("raft.vote-twice")).toBe(false);
  expect(noTestHooks.probe("raft.split-vote")).toBe(undefined);
});

test("the silent trace is enabled for nothing", () => {
  for (const level of ["error", "warn", "info", "debug", "trace"] as const) {
    expect(noTrace.isEnabled(level)).toBe(false);
    expect(noTrace.event(level, "component", "message", { a: 1 })).toBe(undefined);
  }
});
