import { expect, test } from "vitest";
import { type FaultPlan } from "../src/fault-plan.ts";
import { startNemesis } from "../src/nemesis.ts";
import { type FaultScenario, replayScenario } from "../src/scenario.ts";
import { shrinkScenario } from "../src/shrink-scenario.ts";
import { chatter } from "./chatter.ts";

/** A bug for the search to find: n2 believes it was never gone for more than 300 ms. */
async function fails(scenario: FaultScenario): Promise<boolean> {
  const { simulation } = chatter({ seed: scenario.seed });
  replayScenario(simulation, scenario);
  const victim = simulation.host("n2");
  let downSinceMs: number | undefined;
  let isFound = false;
  for (let atMs = 0; atMs < 6000; atMs += 10) {
    simulation.after(atMs, () => {
      if (victim.isAlive) downSinceMs = undefined;
      else downSinceMs ??= atMs;
      isFound ||= downSinceMs !== undefined && atMs - downSinceMs > 300;
    });
  }
  await simulation.run({ untilMs: 6000, until: () => isFound });
  return isFound;
}

const BUSY: FaultPlan = {
  network: {
    link: { delayMeanMs: 1 },
    intervals: { "network.partition-halves": 700, "network.reset": 300, "network.slow": 500 },
  },
  disk: { calls: { latencyMeanMicros: 500 }, intervals: { "disk.slow": 900 } },
  clock: { offsetMaxMs: 1000, driftMaxPpm: 100, intervals: { "clock.jump": 400 } },
  process: { intervals: { "process.kill": 600, "process.crash": 800, "process.pause": 600 } },
};

async function record(seed: number): Promise<FaultScenario> {
  const { simulation } = chatter({ seed });
  const nemesis = startNemesis(simulation, BUSY);
  await simulation.run({ untilMs: 6000 });
  return nemesis.scenario();
}

test("a failing run shrinks to the one fault it needs, which fails again from JSON", async () => {
  let shrunkCount = 0;
  for (let seed = 1; seed <= 4; seed++) {
    const scenario = await record(seed);
    if (!(await fails(scenario))) continue;

    const shrunk = await shrinkScenario(scenario, fails);

    expect(shrunk.isMinimal).toBe(true);
    expect(shrunk.scenario.events.length).toBe(1);
    expect(JSON.stringify(shrunk.scenario.events)).toContain('"n2"');
    expect(shrunk.scenario.plan.network.link).toEqual({});
    expect(shrunk.scenario.plan.clock.offsetMaxMs).toBe(0);
    const stored = JSON.parse(JSON.stringify(shrunk.scenario)) as FaultScenario;
    expect(await fails(stored)).toBe(true);
    shrunkCount++;
  }

  expect(shrunkCount).toBeGreaterThan(1);
});

test("events that are needed together stay together", async () => {
  const scenario = await record(10);
  const needed = [scenario.events[1]!, scenario.events[4]!, scenario.events.at(-1)!];
  const needsThem = (tried: FaultScenario): Promise<boolean> =>
    Promise.resolve(needed.every((event) => tried.events.includes(event)));

  const shrunk = await shrinkScenario(scenario, needsThem);

  expect(shrunk.scenario.events).toEqual(needed);
});

test("a search stops at its limit and says so", async () => {
  const scenario = await record(10);
  const last = scenario.events.at(-1)!;
  let runs = 0;
  const needsLast = (tried: FaultScenario): Promise<boolean> => {
    runs++;
    return Promise.resolve(tried.events.includes(last));
  };

  const shrunk = await shrinkScenario(scenario, needsLast, { runsMax: 3 });

  expect(shrunk.isMinimal).toBe(false);
  expect(shrunk.runs).toBe(3);
  expect(runs).toBe(3);
  expect(shrunk.scenario.events).toContain(last);
});

test("a scenario that does not fail is refused", async () => {
  const scenario = await record(10);

  await expect(shrinkScenario(scenario, () => Promise.resolve(false))).rejects.toMatchObject({
    code: "SIM_NOT_FAILING",
    details: { seed: 10 },
  });
});
