import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { LoopDelayWatch } from "../src/loop-delay.ts";

test("a turn that lasts long is the longest delay", async () => {
  const watch = new LoopDelayWatch();
  await pause(20);
  const endMs = performance.now() + 100;
  while (performance.now() < endMs);
  await pause(20);

  const { p999Ms, maxMs } = watch.stop();

  expect(maxMs).toBeGreaterThan(90);
  expect(p999Ms).toBeLessThanOrEqual(maxMs + 1);
});
