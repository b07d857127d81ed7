import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { Sandbox } from "../src/sandbox.ts";
import { type ScenarioContext } from "../src/scenario.ts";
import { kill } from "../src/scenarios/kill.ts";

const ROUNDS = 10;

function contextOf(sandbox: Sandbox, rounds: number, mutants: readonly string[]): ScenarioContext {
  return {
    random: createRandom(7),
    sandbox,
    mutants,
    wantsMore: (done) => done < rounds,
    progress: () => undefined,
  };
}

test(`a store keeps what it answered, whole and in order, through ${ROUNDS} kills of its process`, async () => {
  const sandbox = Sandbox.create();
  try {
    const result = await kill.run(contextOf(sandbox, ROUNDS, []));

    expect(result.violations).toEqual([]);
    expect(result.rounds).toBe(ROUNDS);
    expect(result.acknowledged).toBeGreaterThan(0);
  } finally {
    sandbox.clean();
  }
}, 120_000);

test("a store that commits before its rows are in the log is found out by kills", async () => {
  const sandbox = Sandbox.create();
  try {
    const result = await kill.run(contextOf(sandbox, ROUNDS, ["txn.commit-before-mini"]));

    expect(result.violations).not.toEqual([]);
  } finally {
    sandbox.clean();
  }
}, 120_000);
