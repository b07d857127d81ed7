import { expect, test } from "vitest";
import { Simulation } from "../src/simulation.ts";

test("late timers are counted, late by at most what is said, and keep their order", async () => {
  const simulation = new Simulation({ seed: 1 });
  const ran: { readonly due: number; readonly lateMs: number }[] = [];
  const host = simulation.addHost("n1");
  host.lateness = { probability: 0.5, maxMs: 30 };
  host.start(({ clock }) => {
    const startMs = clock.monotonicMs();
    for (let due = 200; due > 0; due--) {
      clock.schedule(due, () => ran.push({ due, lateMs: clock.monotonicMs() - startMs - due }));
    }
  });

  await simulation.run();

  expect(ran.map(({ due }) => due)).toEqual(Array.from({ length: 200 }, (_, at) => at + 1));
  expect(Math.min(...ran.map(({ lateMs }) => lateMs))).toBeGreaterThanOrEqual(0);
  expect(Math.max(...ran.map(({ lateMs }) => lateMs))).toBeGreaterThan(10);
  expect(Math.max(...ran.map(({ lateMs }) => lateMs))).toBeLessThan(31);
  expect(simulation.result().faults["clock.late-timer"]).toBeGreaterThan(50);
});

test("a timer waits for the host's own milliseconds, not for true ones", async () => {
  for (const driftPpm of [50_000, -50_000]) {
    const simulation = new Simulation({ seed: 2 });
    let atMs = 0;
    simulation.addHost("n1", {
      clock: { driftPpm },
      main: ({ clock }) => {
        clock.schedule(1000, () => {
          atMs = simulation.nowMicros / 1000;
        });
      },
    });

    await simulation.run();

    expect(Math.round(atMs)).toBe(Math.round(1000 / (1 + driftPpm / 1e6)));
  }
});

test("an oscillator that slows down makes a timer wait on", async () => {
  const simulation = new Simulation({ seed: 3 });
  let waitedMs = 0;
  const host = simulation.addHost("n1", {
    main: ({ clock }) => {
      const startMs = clock.monotonicMs();
      clock.schedule(1000, () => {
        waitedMs = clock.monotonicMs() - startMs;
      });
    },
  });
  simulation.after(500, () => host.clock.setDrift(-50_000, simulation.nowMicros));

  await simulation.run();

  expect(waitedMs).toBeGreaterThanOrEqual(1000);
  expect(simulation.nowMicros).toBeGreaterThan(1_020_000);
});

test("after a restart the timers of the process before are gone", async () => {
  const simulation = new Simulation({ seed: 4 });
  let count = 0;
  const host = simulation.addHost("n1", {
    main: ({ clock }) => void clock.schedule(20, () => void count++),
  });
  simulation.after(10, () => host.restart());

  await simulation.run();

  expect(count).toBe(1);
});

test("cancelling timers in any number and order leaves the others in order", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const simulation = new Simulation({ seed });
    const ran: number[] = [];
    const expected: number[] = [];
    const host = simulation.addHost("n1");
    host.lateness = { probability: 0.3, maxMs: 50 };
    host.start(({ clock, random }) => {
      const timers = Array.from({ length: 100 }, (_, number) => {
        const delayMs = 10 * random.below(10);
        const timer = clock.schedule(delayMs, () => ran.push(number));
        return { number, delayMs, timer };
      });
      const kept = timers.filter(() => random.chance(0.5));
      for (const { number, timer } of timers) {
        if (!kept.some((other) => other.number === number)) timer.cancel();
      }
      kept.sort((a, b) => a.delayMs - b.delayMs || a.number - b.number);
      expected.push(...kept.map(({ number }) => number));
    });

    await simulation.run();

    expect(ran).toEqual(expected);
  }
});
