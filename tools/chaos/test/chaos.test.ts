import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { chaos } from "../src/chaos.ts";
import { type Scenario, type ScenarioResult, skippedBecause } from "../src/scenario.ts";

const folders: string[] = [];

/** A scenario whose rounds do nothing. */
function scenarioOf(name: string, more: Partial<ScenarioResult> = {}): Scenario {
  return {
    name,
    description: "does nothing",
    rounds: 3,
    run: ({ wantsMore, sandbox }) => {
      let rounds = 0;
      while (wantsMore(rounds)) rounds++;
      folders.push(sandbox.folder);
      return Promise.resolve({ rounds, acknowledged: 5, violations: [], counts: {}, ...more });
    },
  };
}

async function run(
  scenarios: readonly Scenario[],
  ...given: readonly string[]
): Promise<{ exitCode: number; printed: string; warned: string }> {
  const [printed, warned]: [string[], string[]] = [[], []];
  const exitCode = await chaos(given, scenarios, {
    print: (text) => void printed.push(text),
    warn: (text) => void warned.push(text),
  });
  return { exitCode, printed: printed.join(""), warned: warned.join("") };
}

test("every scenario runs with its own rounds, and its sandbox goes", async () => {
  const { exitCode, printed } = await run([scenarioOf("a"), scenarioOf("b")], "--json");

  const results = printed.trim().split("\n");
  expect(results.map((line) => JSON.parse(line))).toMatchObject([
    { scenario: "a", rounds: 3, violations: [] },
    { scenario: "b", rounds: 3, violations: [] },
  ]);
  expect(exitCode).toBe(0);
  expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
});

test("rounds and minutes bound a run", async () => {
  const rounds = await run([scenarioOf("a")], "--rounds", "7", "--json");
  const minutes = await run([scenarioOf("a")], "--minutes", "0.00000001", "--json");

  expect(JSON.parse(rounds.printed)).toMatchObject({ rounds: 7 });
  expect(JSON.parse(minutes.printed)).toMatchObject({ rounds: 1 });
});

test("a broken promise is printed, and the exit code says so", async () => {
  const { exitCode, warned } = await run([scenarioOf("a", { violations: ["it is gone"] })]);

  expect(exitCode).toBe(1);
  expect(warned).toContain("VIOLATION it is gone");
});

test("what cannot be tried here is said, and is no failure", async () => {
  const skipped = { ...scenarioOf("a"), run: () => Promise.resolve(skippedBecause("no root")) };

  const { exitCode, warned } = await run([skipped]);

  expect(exitCode).toBe(0);
  expect(warned).toContain("a: skipped: no root");
});

test("arguments that make no sense end with 2, help with 0", async () => {
  expect(await run([scenarioOf("a")], "--scenario", "b")).toMatchObject({ exitCode: 2 });
  expect(await run([scenarioOf("a")], "--help")).toMatchObject({ exitCode: 0, warned: "" });
});
