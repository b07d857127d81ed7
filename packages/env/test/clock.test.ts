import { expect, test } from "vitest";
import { CancelSource } from "../src/cancel-signal.ts";
import { sleep, yieldTurn } from "../src/clock.ts";
import { HandClock } from "./hand-clock.ts";

test("a sleep ends when its time has passed, not before", async () => {
  const clock = new HandClock();
  let isAwake = false;
  void sleep(clock, 10).then(() => (isAwake = true));

  await clock.advance(9.9);
  expect(isAwake).toBe(false);
  await clock.advance(0.1);
  expect(isAwake).toBe(true);
});

test("a cancelled sleep throws the reason at once and leaves no timer", async () => {
  const clock = new HandClock();
  const source = new CancelSource();
  const slept = sleep(clock, 10, source.signal);
  expect(clock.timerCount).toBe(1);

  source.cancel("enough");

  await expect(slept).rejects.toBe("enough");
  expect(clock.timerCount).toBe(0);
});

test("a sleep with a cancelled signal never starts", async () => {
  const clock = new HandClock();
  await expect(sleep(clock, 10, AbortSignal.abort("before"))).rejects.toBe("before");
  expect(clock.timerCount).toBe(0);
});

test("a sleep that ended no longer listens to its signal", async () => {
  const clock = new HandClock();
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    reason: undefined,
    addEventListener: (_type: "abort", listener: () => void) => void listeners.add(listener),
    removeEventListener: (_type: "abort", listener: () => void) => void listeners.delete(listener),
  };
  const slept = sleep(clock, 10, signal);
  expect(listeners.size).toBe(1);
  await clock.advance(10);
  await slept;
  expect(listeners.size).toBe(0);
});

test("yielding waits for the end of the turn", async () => {
  const clock = new HandClock();
  const ran: string[] = [];
  void yieldTurn(clock).then(() => ran.push("yielded"));
  await Promise.resolve();
  ran.push("the rest of the turn");
  await clock.advance(0);
  expect(ran).toEqual(["the rest of the turn", "yielded"]);
});
