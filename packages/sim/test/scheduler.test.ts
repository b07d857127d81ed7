import { expect, test } from "vitest";
import { Scheduler } from "../src/scheduler.ts";
import { Simulation } from "../src/simulation.ts";
import { pingPong } from "./ping-pong.ts";

const KIND = Scheduler.kind("test");

test("all microtasks of an event run before the next event", async () => {
  const scheduler = new Scheduler(1);
  const log: string[] = [];
  const settle = async (depth: number): Promise<void> => {
    if (depth > 0) await settle(depth - 1);
    else await Promise.all([Promise.resolve(), Promise.resolve()]);
  };
  for (const name of ["a", "b"]) {
    scheduler.schedule(0, { kind: KIND }, () => {
      log.push(name);
      void settle(50).then(() => log.push(`${name} settled`));
    });
  }

  await scheduler.run();

  expect(log).toEqual(["a", "a settled", "b", "b settled"]);
});

test("events of one lane keep their order; those of two lanes change it with the salt", async () => {
  const orders = new Set<string>();
  for (let salt = 0; salt < 64; salt++) {
    const scheduler = new Scheduler(salt);
    const log: string[] = [];
    for (let number = 0; number < 3; number++) {
      for (const lane of [1, 2]) {
        const owner = {
          lane,
          isAlive: true,
          isPaused: false,
          hold: () => undefined,
          fail: () => undefined,
        };
        scheduler.schedule(10, { kind: KIND, owner }, () => log.push(`${lane}${number}`));
      }
    }
    await scheduler.run();
    orders.add(log.join());
  }

  expect([...orders].toSorted()).toEqual(["10,11,12,20,21,22", "20,21,22,10,11,12"]);
});

test("one run at a time, and nothing into the past", async () => {
  const scheduler = new Scheduler(1);
  const first = scheduler.run({ untilMs: 5 });

  expect(() => scheduler.run()).toThrow("once at a time");
  expect(await first).toBe("time");
  expect(() => scheduler.schedule(-1, { kind: KIND }, () => undefined)).toThrow("the past");
});

test("what an event outside all hosts throws ends the run", async () => {
  const simulation = new Simulation({ seed: 1 });
  simulation.after(1, () => {
    throw new Error("from the test itself");
  });

  await expect(simulation.run()).rejects.toThrow("from the test itself");
  expect(await simulation.run()).toBe("idle");
});

test("the rate of events is printed, for the record", async () => {
  const { simulation } = pingPong({ seed: 1 }, 20_000);
  const start = performance.now();
  await simulation.run();
  const seconds = (performance.now() - start) / 1000;

  const { events } = simulation.result();
  console.log(`sim.events-per-s: ${Math.round(events / seconds)} (network round trips)`);
  expect(events).toBeGreaterThan(100_000);
});
