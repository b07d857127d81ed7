import { type Environment, type Random, sleep } from "@kvs/env";
import { type Database } from "@kvs/protocol";
import { type Simulation, drawFaultPlan, startNemesis } from "@kvs/sim";
import { expect, test } from "vitest";
import { Ledger } from "./ledger.ts";
import { type World, withServer } from "./world.ts";

interface Outcome {
  readonly violations: string[];
  readonly tally: Record<string, number>;
}

interface FaultOptions {
  readonly mutants?: readonly string[];
  readonly commitMs?: number;
  /** Lets things go wrong while the workload runs. */
  readonly disturb: (simulation: Simulation, random: Random) => void;
  readonly runMs: number;
}

/** A few callers that write and read while the world is disturbed; then it heals, and all settle. */
async function run(seed: number, options: FaultOptions): Promise<Outcome> {
  const ledger = new Ledger();
  const { mutants = [], commitMs = 3 } = options;
  await withServer(
    { seed, mutants, memory: { commitMs }, change: (database) => ledger.watch(database) },
    async (world) => {
      const { environment, simulation } = world;
      const random = environment.random.split("workload");
      const db = await world.connect({ timeoutMs: 3000, connections: 1 + (seed % 2) });
      options.disturb(simulation, simulation.random.split("disturb"));
      const endMs = environment.clock.monotonicMs() + options.runMs;
      const callers = Array.from({ length: 4 }, () =>
        call({ environment, random, db, ledger, endMs }),
      );
      await world.sleep(options.runMs);
      heal(world);
      await Promise.all(callers);
      await ledger.write(db, random); // the world is whole again: it works
      await db.close();
    },
  );
  return { violations: ledger.violations(), tally: ledger.tally };
}

function heal({ simulation }: World): void {
  simulation.heal();
}

async function call(parts: {
  environment: Environment;
  random: Random;
  db: Database;
  ledger: Ledger;
  endMs: number;
}): Promise<void> {
  const { environment, random, db, ledger, endMs } = parts;
  while (environment.clock.monotonicMs() < endMs) {
    const together = 1 + random.below(5);
    const calls = Array.from({ length: together }, () =>
      random.chance(0.6) ? ledger.write(db, random) : ledger.read(db, random),
    );
    await Promise.all(calls);
    if (random.chance(0.3)) await sleep(environment.clock, random.below(20));
  }
}

/** The connection breaks, at any moment, again and again. */
function resets(simulation: Simulation, random: Random): void {
  for (let atMs = 0; atMs < 400; atMs += 1 + random.below(40)) {
    simulation.after(atMs + random.nextFloat(), () => {
      simulation.network.resetConnections("client", "server");
    });
  }
}

/** The server dies and comes back, with what was committed. */
function deaths(simulation: Simulation, random: Random): void {
  const server = simulation.host("server");
  for (let atMs = 20; atMs < 1500; atMs += 150 + random.below(300)) {
    simulation.after(atMs, () => {
      if (server.isAlive) server.kill();
    });
    simulation.after(atMs + 1 + random.below(120), () => {
      if (!server.isAlive) server.restart();
    });
  }
}

/** All that the simulation can do to network, clocks and processes. */
function everything(simulation: Simulation, random: Random): void {
  startNemesis(simulation, drawFaultPlan(random), { hosts: ["server"] });
}

const RESETS: FaultOptions = { disturb: resets, runMs: 500 };
const DEATHS: FaultOptions = { disturb: deaths, runMs: 2000 };

async function violationsOver(seeds: number, options: FaultOptions): Promise<string[]> {
  const violations: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const outcome = await run(seed, options);
    violations.push(...outcome.violations.map((violation) => `seed ${seed}: ${violation}`));
  }
  return violations;
}

test("without faults every write happens once", async () => {
  const { violations, tally } = await run(1, { disturb: () => undefined, runMs: 300 });

  expect(violations).toEqual([]);
  expect(tally["done"]).toBeGreaterThan(50);
  expect(Object.keys(tally).toSorted()).toEqual(["done", "reads"]);
});

test("connections that break: each write happens once, or not, or is said to be unknown", async () => {
  expect(await violationsOver(25, RESETS)).toEqual([]);
});

test("a server that dies: each write happens once, or not, or is said to be unknown", async () => {
  expect(await violationsOver(16, DEATHS)).toEqual([]);
});

test("these faults lead to every kind of end", async () => {
  const { tally } = await run(3, DEATHS);

  expect(tally["done"]).toBeGreaterThan(10);
  expect(tally["unknown"]).toBeGreaterThan(0);
  expect(tally["reads"]).toBeGreaterThan(10);
});

test("any mixture of faults: the books agree", async () => {
  expect(await violationsOver(20, { disturb: everything, runMs: 2500 })).toEqual([]);
});

test("a connection that breaks at any moment of one exchange: the books agree", async () => {
  const violations: string[] = [];
  for (let step = 0; step < 120; step++) {
    const outcome = await run(7, {
      disturb: (simulation) => {
        simulation.after(step * 0.06, () =>
          simulation.network.resetConnections("client", "server"),
        );
      },
      runMs: 10,
    });
    violations.push(...outcome.violations.map((violation) => `step ${step}: ${violation}`));
  }
  expect(violations).toEqual([]);
});

test("a repeated write of unknown outcome is caught (client.retry-unknown-writes)", async () => {
  const violations = await violationsOver(10, {
    ...RESETS,
    mutants: ["client.retry-unknown-writes"],
  });

  expect(violations.join("\n")).toMatch(/happened [2-9] times/);
});

test("a denied outcome is caught (client.deny-unknown)", async () => {
  const violations = await violationsOver(10, { ...RESETS, mutants: ["client.deny-unknown"] });

  expect(violations.join("\n")).toContain("was said not to have happened, and did");
});

test("answers given to the wrong request are caught (client.lost-correlation)", async () => {
  const violations = await violationsOver(5, { ...RESETS, mutants: ["client.lost-correlation"] });

  expect(violations.length).toBeGreaterThan(0);
});

test("an answer before the commit is caught (server.ack-before-commit)", async () => {
  const violations = await violationsOver(10, { ...DEATHS, mutants: ["server.ack-before-commit"] });

  expect(violations.join("\n")).toContain("was said to have happened, and did not");
});

test("the same seed gives the same run", async () => {
  const hashes = new Set<string>();
  for (let repetition = 0; repetition < 2; repetition++) {
    const simulation = await withServer({ seed: 11, memory: { commitMs: 2 } }, async (world) => {
      const db = await world.connect();
      resets(world.simulation, world.simulation.random.split("disturb"));
      for (let at = 0; at < 30; at++) await db.kv.put(at, at).catch(() => undefined);
      await db.close();
    });
    hashes.add(simulation.result().hash);
  }
  expect(hashes.size).toBe(1);
});
