import { expect, test } from "vitest";
import { type SeedResult } from "../src/scenario.ts";
import { raftScenario } from "../src/scenarios/raft.ts";

/** Runs seeds from 1 on, until a violation if a sabotage is on. */
async function runSeeds(seeds: number, mutant?: string): Promise<SeedResult[]> {
  const results: SeedResult[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const result = await raftScenario.run(seed, mutant === undefined ? {} : { mutant });
    results.push(result);
    if (mutant !== undefined && result.violations.length > 0) break;
  }
  return results;
}

test("ten seeds are without violations, and each gives the same trace twice", async () => {
  const first = await runSeeds(10);
  const second = await runSeeds(10);

  expect(first.flatMap(({ violations }) => violations)).toEqual([]);
  expect(second).toEqual(first);
}, 60_000);

test("the trace is one that others can judge", async () => {
  const { trace, history } = await raftScenario.run(3, { wantsTrace: true, wantsHistory: true });
  const names = new Set(trace!.map((line) => (JSON.parse(line) as { name: string }).name));

  expect([...names]).toEqual(
    expect.arrayContaining(["InitState", "BecomeLeader", "Replicate", "Commit", "Ready"]),
  );
  expect(history!.length).toBeGreaterThan(10);
}, 60_000);

test.each(raftScenario.mutants)(
  "%s is caught within 60 seeds",
  async (mutant) => {
    const results = runSeeds(60, mutant);
    const found = await results.then((all) => all.at(-1)!.violations.join(), String);
    expect(found).not.toBe(""); // a broken assertion ends the run, and is found, too
  },
  120_000,
);
