import { expect, test } from "vitest";
import { runAtRate, runCallers, runOnce, runSlices } from "../src/load.ts";

function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    if (count === 0) resolve();
    else setImmediate(() => void turns(count - 1).then(resolve));
  });
}

test("every operation runs once, and never more at once than there are callers", async () => {
  const seen: number[] = [];
  let open = 0;
  let openMost = 0;

  const sample = await runCallers(8, 1000, async (index) => {
    seen.push(index);
    openMost = Math.max(openMost, ++open);
    await turns(1);
    open--;
  });

  expect(seen).toEqual(Array.from({ length: 1000 }, (_, index) => index));
  expect(openMost).toBe(8);
  expect(sample.value).toBeGreaterThan(0);
  expect(sample.p99).toBeGreaterThanOrEqual(sample.p50!);
  expect(sample.cpuMicrosPerOp).toBeGreaterThan(0);
});

test("a failing operation fails the run of callers", async () => {
  const run = runCallers(2, 10, async (index) => {
    await turns(1);
    if (index === 5) throw new Error("the sixth fails");
  });

  await expect(run).rejects.toThrow("the sixth fails");
});

test("an open loop counts a stall against every operation that had to wait for it", async () => {
  const stallMs = 60;
  const sample = await runAtRate(1000, 100, async (index) => {
    if (index === 20) busyWait(stallMs);
    await Promise.resolve();
  });

  // About 60 of the 100 operations were meant to begin during the stall: a closed loop, which
  // waits before it asks again, would have counted one slow operation and a p50 of microseconds.
  expect(sample.p50).toBeGreaterThan(1);
  expect(sample.p99).toBeGreaterThan(stallMs / 2);
});

test("an open loop passes on the first failure", async () => {
  const run = runAtRate(100_000, 50, async (index) => {
    await turns(1);
    if (index >= 3) throw new Error(`operation ${index} fails`);
  });

  await expect(run).rejects.toThrow("operation 3 fails");
});

test("slices add up to the operations asked for", async () => {
  const counts: number[] = [];

  await runSlices(2500, 1000, (count) => counts.push(count));

  expect(counts).toEqual([1000, 1000, 500]);
});

function busyWait(forMs: number): void {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs);
}

test("work done once has the rate of the operations that it tells of afterwards", async () => {
  let done = 0;

  const { value, cpuMicrosPerOp } = await runOnce(
    () => done,
    async () => {
      for (; done < 100; done++) await turns(1);
    },
  );

  expect(done).toBe(100);
  expect(value).toBeGreaterThan(0);
  expect(cpuMicrosPerOp).toBeGreaterThan(0);
});
