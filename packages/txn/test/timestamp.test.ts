import { type Clock } from "@kvs/env";
import { expect, test } from "vitest";

import { HybridClock, timestampFromMs, timestampToMs } from "../src/timestamp.ts";

const EPOCH_MS = Date.UTC(2025, 0, 1);
const TICKS_PER_MS = 4096;
const TIMESTAMP_MAX = 2 ** 53 - 2;
const WALL_LEAP_MS_MAX = 2 * 3600 * 1000;

/** A clock that shows what it is told. */
class ToldClock implements Clock {
  wall = EPOCH_MS + 1000;
  monotonic = 0;

  wallMs(): number {
    return this.wall;
  }

  monotonicMs(): number {
    return this.monotonic;
  }

  schedule(): never {
    throw new Error("a hybrid clock sets no timers");
  }

  defer(): never {
    throw new Error("a hybrid clock defers nothing");
  }

  /** Lets the same time pass on both readings. */
  pass(ms: number): void {
    this.wall += ms;
    this.monotonic += ms;
  }
}

test("a timestamp is near the wall clock, and each is greater than the one before", () => {
  const clock = new ToldClock();
  const time = new HybridClock(clock, 0);

  expect(time.next()).toBe(1000 * TICKS_PER_MS);
  expect(time.next()).toBe(1000 * TICKS_PER_MS + 1);
  clock.pass(5);
  expect(time.next()).toBe(1005 * TICKS_PER_MS);
  expect(time.last).toBe(1005 * TICKS_PER_MS);
});

test("a clock that goes back is ignored until it has caught up", () => {
  const clock = new ToldClock();
  const time = new HybridClock(clock, 0);
  const first = time.next();
  clock.wall -= 900;

  expect(time.next()).toBe(first + 1);
  clock.pass(1000);
  expect(time.next()).toBe(1100 * TICKS_PER_MS);
});

test("a correction is believed, a leap is not", () => {
  const clock = new ToldClock();
  const time = new HybridClock(clock, 0);
  clock.wall += WALL_LEAP_MS_MAX;
  expect(timestampToMs(time.next())).toBe(EPOCH_MS + 1000 + WALL_LEAP_MS_MAX);

  clock.wall += WALL_LEAP_MS_MAX + 1;
  const after = time.next();
  expect(timestampToMs(after)).toBe(EPOCH_MS + 1000 + WALL_LEAP_MS_MAX);
  clock.pass(50);
  expect(timestampToMs(time.next())).toBe(EPOCH_MS + 1050 + WALL_LEAP_MS_MAX);
});

test("what was given out before the start, or elsewhere, is never given out again", () => {
  const clock = new ToldClock();
  const later = 9000 * TICKS_PER_MS + 7;
  const time = new HybridClock(clock, later);
  expect(time.next()).toBe(later + 1);

  time.witness(later + 100);
  expect(time.next()).toBe(later + 101);
  time.witness(5);
  expect(time.next()).toBe(later + 102);
});

test("timestamps and wall times turn into each other, within their bounds", () => {
  for (const ms of [0, 1, 999, 2 ** 31, 2 ** 40]) {
    expect(timestampToMs(timestampFromMs(EPOCH_MS + ms))).toBe(EPOCH_MS + ms);
  }
  expect(timestampFromMs(0)).toBe(0);
  expect(timestampFromMs(EPOCH_MS + 2 ** 42)).toBe(TIMESTAMP_MAX);
  expect(timestampFromMs(EPOCH_MS + 0.5)).toBe(0);
});

test("the timestamps end, and nobody gets one beyond", () => {
  const time = new HybridClock(new ToldClock(), TIMESTAMP_MAX - 1);
  expect(time.next()).toBe(TIMESTAMP_MAX);
  expect(() => time.next()).toThrow("2094");
});
