import { expect, test } from "vitest";
import {
  CRASH_IMAGES,
  CRASH_POINTS,
  CRASH_POINTS_IN_RECOVERY,
  type SeedResult,
} from "../src/scenario.ts";
import { storageScenario } from "../src/scenarios/storage.ts";

const TIMEOUT_MS = 600_000;
const SEEDS = 6;
/** Each sabotage is found within so many seeds. */
const SEEDS_PER_MUTANT = 50;

test(
  "a store lives through random workloads, crashes, faults and damage",
  { timeout: TIMEOUT_MS },
  async () => {
    const counts = new Map<string, number>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violations, operations, probes, faults } = await storageScenario.run(seed, {});
      expect(violations, `seed ${seed}`).toEqual([]);
      for (const [name, count] of [...probes, ...faults, ["operations", operations] as const]) {
        counts.set(name, (counts.get(name) ?? 0) + count);
      }
    }

    console.log(`${SEEDS} seeds: ${JSON.stringify(Object.fromEntries(counts))}`);
    for (const state of [
      CRASH_POINTS,
      CRASH_IMAGES,
      "answers checked",
      "stores ten times their cache",
      "txn.batch-undone",
      "txn.checkpoint-flushed",
      "wal.torn-tail",
    ]) {
      expect(counts.get(state), state).toBeGreaterThan(0);
    }
    const share = counts.get(CRASH_POINTS_IN_RECOVERY)! / counts.get(CRASH_POINTS)!;
    expect(share).toBeGreaterThan(1 / 3);
  },
);

test("the same seed gives the same run", { timeout: TIMEOUT_MS }, async () => {
  const run = (seed: number): Promise<SeedResult> =>
    storageScenario.run(seed, { wantsTrace: true });
  const [first, second] = [await run(2), await run(2)];

  expect(second.hash).toBe(first.hash);
  expect(second.trace).toEqual(first.trace);
  expect(second.operations).toBe(first.operations);
  expect(second.faults).toEqual(first.faults);
  expect((await run(4)).hash).not.toBe(first.hash);
});

for (const mutant of storageScenario.mutants) {
  test(`random seeds find the sabotage ${mutant}`, { timeout: TIMEOUT_MS }, async () => {
    let found: readonly string[] = [];
    for (let seed = 1; found.length === 0 && seed <= SEEDS_PER_MUTANT; seed++) {
      found = (await storageScenario.run(seed, { mutant })).violations;
    }
    expect(found).not.toEqual([]);
  });
}
