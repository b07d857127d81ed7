import { validateHistory, parseHistory } from "@kvs/sim";
import { expect, test } from "vitest";
import { envScenario } from "../src/scenarios/env.ts";
import { type SeedResult } from "../src/scenario.ts";
import { Tally } from "../src/tally.ts";

/** Runs seeds until `isEnough` says so, at most `seeds` of them. */
async function runSeeds(
  options: { readonly first: number; readonly seeds: number; readonly mutant?: string },
  isEnough: (result: SeedResult) => boolean = () => false,
): Promise<SeedResult[]> {
  const results: SeedResult[] = [];
  for (let index = 0; index < options.seeds; index++) {
    const mutant = options.mutant === undefined ? {} : { mutant: options.mutant };
    const result = await envScenario.run(options.first + index, mutant);
    results.push(result);
    if (isEnough(result)) break;
  }
  return results;
}

test("ten seeds are without violations, and each gives the same trace twice", async () => {
  const first = await runSeeds({ first: 1, seeds: 10 });
  const second = await runSeeds({ first: 1, seeds: 10 });

  expect(first.flatMap(({ violations }) => violations)).toEqual([]);
  expect(second).toEqual(first);
  expect(new Set(first.map(({ hash }) => hash)).size).toBe(10);
}, 60_000);

test("fifty seeds meet every kind of fault, and no violation", async () => {
  const tally = new Tally(envScenario.faultKinds);
  for (const [index, result] of (await runSeeds({ first: 1, seeds: 50 })).entries()) {
    tally.addSeed(index, result);
  }
  const { faults, probes, violations } = tally.summary(0);

  expect(violations).toBe(0);
  expect(Object.entries(faults).filter(([, count]) => count === 0)).toEqual([]);
  expect(Object.keys(faults)).toEqual(envScenario.faultKinds);
  expect(Object.keys(probes)).toEqual([
    "env.frame-damaged",
    "env.group-discarded",
    "env.request-repeated",
  ]);
}, 120_000);

test.each(envScenario.mutants)(
  "%s is caught within 50 seeds",
  async (mutant) => {
    const results = await runSeeds(
      { first: 1, seeds: 50, mutant },
      ({ violations }) => violations.length > 0,
    );

    expect(results.at(-1)!.violations.length).toBeGreaterThan(0);
  },
  120_000,
);

test("the history is one that others can judge", async () => {
  const { history, trace } = await envScenario.run(3, { wantsHistory: true, wantsTrace: true });
  const events = parseHistory(history!.join("\n"));

  validateHistory(events);
  expect(events.length).toBeGreaterThan(100);
  for (const line of trace!)
    expect(JSON.parse(line)).toMatchObject({ component: expect.any(String) });
}, 60_000);
