import { expect, test } from "vitest";
import { memoryOf, parseMemory } from "../src/process-memory.ts";

test("resident memory and its peak are read in MB", () => {
  const status = "Name:\tnode\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\nThreads:\t11\n";

  expect(parseMemory(status)).toEqual({ residentMb: 100, peakMb: 200 });
  expect(() => parseMemory("Name:\tkthreadd\n")).toThrow("no VmRSS");
});

test("memory that this process touches is resident in it", () => {
  const before = memoryOf(process.pid);
  const touched = new Uint8Array(64 << 20).fill(1);
  const after = memoryOf(process.pid);

  expect(after.residentMb - before.residentMb).toBeGreaterThan(32);
  expect(after.peakMb).toBeGreaterThanOrEqual(after.residentMb - 1);
  expect(touched[1000]).toBe(1);
});
