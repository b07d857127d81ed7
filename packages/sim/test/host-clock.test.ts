import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { HostClock, SIM_EPOCH_MS } from "../src/host-clock.ts";

test("wall time begins at the epoch plus the offset, and jumps alone", () => {
  const clock = new HostClock({ offsetMs: -10_000, driftPpm: 0, uptimeMicros: 123_456_789 });

  expect(clock.wallMs(0)).toBe(SIM_EPOCH_MS - 10_000);
  expect(clock.localMicros(0)).toBe(123_456_789);
  clock.jump(3_600_000);
  expect(clock.wallMs(1000)).toBe(SIM_EPOCH_MS - 10_000 + 3_600_000 + 1);
  clock.jump(-7_200_000);
  expect(clock.wallMs(1000)).toBe(SIM_EPOCH_MS - 10_000 - 3_600_000 + 1);
  expect(clock.localMicros(1000)).toBe(123_457_789);
});

test("a fast oscillator gains, a slow one loses, from the moment the drift changes", () => {
  const clock = new HostClock({ offsetMs: 0, driftPpm: 50_000, uptimeMicros: 0 });

  expect(clock.localMicros(1_000_000)).toBe(1_050_000);
  clock.setDrift(-50_000, 1_000_000);
  expect(clock.localMicros(1_000_000)).toBe(1_050_000);
  expect(clock.localMicros(2_000_000)).toBe(2_000_000);
  expect(() => clock.setDrift(50_001, 0)).toThrow("at most 5 %");
});

test("a stopped oscillator stands, while wall time is right again afterwards", () => {
  const clock = new HostClock({ offsetMs: 0, driftPpm: 0, uptimeMicros: 0 });
  clock.stop(1_000_000);
  clock.stop(1_500_000);

  expect(clock.localMicros(3_000_000)).toBe(1_000_000);
  clock.resume(3_000_000);
  clock.resume(3_000_000);
  expect(clock.localMicros(4_000_000)).toBe(2_000_000);
  expect(clock.wallMs(4_000_000)).toBe(SIM_EPOCH_MS + 4000);
});

test("the true moment of a reading is the first at which the clock shows it", () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = createRandom(seed);
    const driftPpm = random.below(100_001) - 50_000;
    const clock = new HostClock({ offsetMs: 0, driftPpm, uptimeMicros: random.below(1e9) });
    const local = clock.localMicros(random.below(1e9)) + random.below(1e9) + random.nextFloat();

    const found = clock.trueMicros(local);

    expect(clock.localMicros(found)).toBeGreaterThanOrEqual(local);
    expect(clock.localMicros(found - 2)).toBeLessThan(local);
  }
});
