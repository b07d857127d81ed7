import { expect, test } from "vitest";
import { ensureProgram } from "../src/debian.ts";

/** A machine on which `installable` tells whether apt-get works, and after how many updates. */
function machine(state: { isThere: boolean; updatesNeeded: number }): {
  calls: string[];
  run: (program: string, parameters: readonly string[]) => boolean;
} {
  const calls: string[] = [];
  let updates = 0;
  const run = (program: string, parameters: readonly string[]): boolean => {
    calls.push([program, ...parameters].join(" "));
    if (program === "sh") return state.isThere;
    if (parameters[0] === "update") updates++;
    else if (updates >= state.updatesNeeded) state.isThere = true;
    return parameters[0] === "update" || state.isThere;
  };
  return { calls, run };
}

test("a program that is there is not installed again", () => {
  const { calls, run } = machine({ isThere: true, updatesNeeded: 0 });

  expect(ensureProgram("redis-server", "redis-server", { runProgram: run })).toBeUndefined();
  expect(calls).toEqual(["sh -c command -v redis-server"]);
});

test("root installs what is missing, with fresh package lists if the old ones do not do", () => {
  const { calls, run } = machine({ isThere: false, updatesNeeded: 1 });

  expect(ensureProgram("etcd", "etcd-server", { isRoot: true, runProgram: run })).toBeUndefined();
  expect(calls.filter((call) => call.startsWith("apt-get"))).toEqual([
    "apt-get install --yes --no-install-recommends etcd-server",
    "apt-get update",
    "apt-get install --yes --no-install-recommends etcd-server",
  ]);
});

test("others are told what is missing", () => {
  const { calls, run } = machine({ isThere: false, updatesNeeded: 0 });

  expect(ensureProgram("etcd", "etcd-server", { isRoot: false, runProgram: run })).toBe(
    "etcd is not installed (apt-get install etcd-server)",
  );
  expect(calls.join()).not.toContain("apt-get");
});

test("an installation that fails is a reason, not an error", () => {
  const { run } = machine({ isThere: false, updatesNeeded: 99 });

  expect(ensureProgram("etcd", "etcd-server", { isRoot: true, runProgram: run })).toContain(
    "could not be installed",
  );
});
