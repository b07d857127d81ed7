import { AssertionFailure, sleep, yieldTurn } from "@kvs/env";
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { NodeClock } from "../src/node-clock.ts";

test("the monotonic clock never goes back and the wall clock shows whole milliseconds", () => {
  const clock = new NodeClock();
  let before = clock.monotonicMs();
  for (let at = 0; at < 1000; at++) {
    const now = clock.monotonicMs();
    expect(now).toBeGreaterThanOrEqual(before);
    before = now;
  }
  expect(Number.isInteger(clock.wallMs())).toBe(true);
  expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2025, 0, 1));
});

test("a timer never runs before its delay, fractions included", async () => {
  const clock = new NodeClock();
  for (const delayMs of [0, 0.4, 1.7, 3.2, 5]) {
    const before = clock.monotonicMs();
    await sleep(clock, delayMs);
    expect(clock.monotonicMs() - before).toBeGreaterThanOrEqual(delayMs);
  }
});

test("timers run in the order of their due times, whatever the order of scheduling", async () => {
  const clock = new NodeClock();
  const ran: number[] = [];
  const delays = [40, 3, 25, 3, 0, 12, 1, 25, 7.5, 7.25, 0, 39];
  await new Promise<void>((resolve) => {
    for (const delayMs of delays) clock.schedule(delayMs, () => ran.push(delayMs));
    clock.schedule(41, resolve);
  });
  expect(ran).toEqual(delays.toSorted((a, b) => a - b));
});

test("a shorter timer scheduled later runs before a longer one that is not due", async () => {
  const clock = new NodeClock();
  const ran: string[] = [];
  const all = Promise.all([
    sleep(clock, 60).then(() => ran.push("long")),
    yieldTurn(clock).then(() => sleep(clock, 2).then(() => ran.push("short"))),
  ]);
  await all;
  expect(ran).toEqual(["short", "long"]);
});

test("a cancelled timer does not run, and cancelling it again does nothing", async () => {
  const clock = new NodeClock();
  const ran: number[] = [];
  const timers = Array.from({ length: 500 }, (_, at) =>
    clock.schedule(at % 10, () => ran.push(at)),
  );
  for (const [at, timer] of timers.entries()) if (at % 5 !== 0) timer.cancel();
  timers[1]!.cancel();
  await sleep(clock, 20);
  for (const timer of timers) timer.cancel(); // the others have run by now
  expect(ran.length).toBe(100);
  expect(ran.every((at) => at % 5 === 0)).toBe(true);
});

test("cancelling random timers, among them the next one, keeps the order of the rest", async () => {
  const clock = new NodeClock();
  const ran: number[] = [];
  const expected: number[] = [];
  for (let at = 0; at < 300; at++) {
    const delayMs = (at * 7919) % 23;
    const timer = clock.schedule(delayMs, () => ran.push(delayMs));
    if ((at * 104_729) % 3 === 0) timer.cancel();
    else expected.push(delayMs);
  }
  await sleep(clock, 30);
  expect(ran).toEqual(expected.toSorted((a, b) => a - b));
});

test("promises settle between two timers that are due together", async () => {
  const clock = new NodeClock();
  const ran: string[] = [];
  clock.schedule(1, () => {
    ran.push("first");
    void Promise.resolve().then(() => ran.push("its promise"));
  });
  clock.schedule(1, () => ran.push("second"));
  await sleep(clock, 10);
  expect(ran).toEqual(["first", "its promise", "second"]);
});

test("what a timer throws does not keep the next timer from running", () => {
  const source = `
    import { NodeClock } from "${import.meta.resolve("../src/node-clock.ts")}";
    const clock = new NodeClock();
    process.on("uncaughtException", (error) => console.log(error.message));
    clock.schedule(1, () => { throw new Error("thrown"); });
    clock.schedule(2, () => console.log("still runs"));
  `;
  const result = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", source]);
  expect(String(result.stdout)).toBe("thrown\nstill runs\n");
});

test("a pending timer keeps the process alive, a cancelled one does not", () => {
  const source = `
    import { NodeClock } from "${import.meta.resolve("../src/node-clock.ts")}";
    const clock = new NodeClock();
    clock.schedule(2 ** 31 - 1, () => undefined).cancel();
    clock.schedule(20, () => console.log("ran"));
    clock.schedule(1_000_000, () => undefined).cancel();
  `;
  const result = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", source]);
  expect(String(result.stdout)).toBe("ran\n");
  expect(result.status).toBe(0);
});

test("deferred actions run after the promises of this turn, in their order", async () => {
  const clock = new NodeClock();
  const ran: string[] = [];
  clock.defer(() => ran.push("first"));
  clock.defer(() => ran.push("second"));
  await Promise.resolve();
  ran.push("promise");
  await yieldTurn(clock);
  expect(ran).toEqual(["promise", "first", "second"]);
});

test("a delay outside its range is a bug", () => {
  const clock = new NodeClock();
  for (const delayMs of [-1, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => clock.schedule(delayMs, () => undefined)).toThrow(AssertionFailure);
  }
});
