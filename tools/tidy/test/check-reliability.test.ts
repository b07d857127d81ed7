import { expect, test } from "vitest";
import { checkReliability } from "../src/check-reliability.ts";
import { shown, treeOf } from "./tree.ts";

const FAULTS = Array.from({ length: 23 }, (_, index) => `W${index + 1}`);
const PAGE_FAULTS = ["P1", "P2", "P3", "P4", "P11", "P12", "P13", "P14"];
const TEST = "packages/wal/test/all.test.ts";
const SABOTAGE = "| `wal.skip-sync` | nothing is synced | `packages/wal/test/all.test.ts` |";

const rows = [...FAULTS, ...PAGE_FAULTS].map((name) => `| ${name} | a fault | \`${TEST}\` |`);
const ids = [...FAULTS, ...PAGE_FAULTS].map((name) => `// REL-${name}`);

function check(document: readonly string[], tests: readonly string[]): string[] {
  const files = {
    "docs/testing.md": document.join("\n"),
    "packages/wal/src/wal.ts": 'hooks.hasMutant("wal.skip-sync")',
    "packages/raft/src/raft.ts": 'hooks.hasMutant("raft.skip-vote")',
    [TEST]: tests.join("\n"),
  };
  return shown(checkReliability(treeOf(files)));
}

test("tables that name a test for every fault and sabotage pass", () => {
  expect(check([...rows, SABOTAGE], [...ids, "wal.skip-sync"])).toEqual([]);
});

test("an id may stand in a list", () => {
  const [first, second, ...others] = ids;
  const list = `${first}, ${second!.slice("// REL-".length)}`;
  expect(check([...rows, SABOTAGE], [list, ...others, "wal.skip-sync"])).toEqual([]);
});

test("a fault or a sabotage without a row is found", () => {
  expect(check(rows.slice(1), [...ids])).toEqual([
    "docs/testing.md:1 the fault W1 has no row: name the test that stands for it",
    "docs/testing.md:1 the sabotage wal.skip-sync has no row: name the test that stands for it",
  ]);
});

test("a row whose test is missing, silent or not there is found", () => {
  const silent = check([...rows, SABOTAGE], [...ids.slice(1), "wal.skip-sync"]);
  expect(silent).toEqual([`docs/testing.md:1 ${TEST} does not mention W1`]);

  const absent = check(
    ["| W1 | a fault | `tools/x.test.ts` |", ...rows.slice(1), SABOTAGE],
    [...ids, "wal.skip-sync"],
  );
  expect(absent).toEqual(["docs/testing.md:1 there is no tools/x.test.ts"]);

  const empty = check(
    ["| W1 | a fault | |", ...rows.slice(1), SABOTAGE],
    [...ids, "wal.skip-sync"],
  );
  expect(empty).toEqual(["docs/testing.md:1 W1 names no test file"]);
});

test("a row for a sabotage that the engine does not know is found", () => {
  const unknown = SABOTAGE.replace("skip-sync", "skip-all");
  const found = check([...rows, SABOTAGE, unknown], [...ids, "wal.skip-sync", "wal.skip-all"]);
  expect(found).toEqual([`docs/testing.md:33 the engine knows no sabotage wal.skip-all`]);
});

test("a document of an earlier time is no concern", () => {
  expect(shown(checkReliability(treeOf({ "README.md": "# KVS" })))).toEqual([]);
});
