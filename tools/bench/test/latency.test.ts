import { expect, test } from "vitest";
import { LatencyRecorder } from "../src/latency.ts";

test("percentiles are within a thousandth of the exact ones", () => {
  const latencies = new LatencyRecorder();
  for (let value = 1; value <= 10_000; value++) latencies.record(value / 100);

  expect(latencies.count).toBe(10_000);
  expect(latencies.percentileMs(50) / 50).toBeCloseTo(1, 2);
  expect(latencies.percentileMs(99) / 99).toBeCloseTo(1, 2);
});

test("microseconds are told apart", () => {
  const latencies = new LatencyRecorder();
  for (let count = 0; count < 90; count++) latencies.record(0.002);
  for (let count = 0; count < 10; count++) latencies.record(0.003);

  expect(latencies.percentileMs(50)).toBeCloseTo(0.002, 4);
  expect(latencies.percentileMs(99)).toBeCloseTo(0.003, 4);
});

test("a latency beyond a minute counts as a minute", () => {
  const latencies = new LatencyRecorder();
  latencies.record(3_600_000);

  expect(latencies.percentileMs(99) / 60_000).toBeCloseTo(1, 2);
});

test("no latency at all gives 0", () => {
  expect(new LatencyRecorder().percentileMs(50)).toBe(0);
});
