import { assert } from "@kvs/env";
import { cpuMicrosOf } from "./cpu.ts";
import { LatencyRecorder } from "./latency.ts";
import { type Sample } from "./sample.ts";

/** One operation under load. `index` counts from 0 over the whole sample. */
export type Operation = (index: number) => Promise<unknown>;

/**
 * Closed loop: `callers` callers, each of which waits for its answer before it asks again. The
 * latency of an operation runs from the moment its caller was free, so none of its time is lost.
 *
 * @param pid The process whose processor time counts; default: this one.
 * @returns Operations per second, with processor time and latencies.
 */
export async function runCallers(
  callers: number,
  totalOperations: number,
  operation: Operation,
  pid?: number,
): Promise<Sample> {
  const operations = Math.max(callers, totalOperations);
  return runCallersUntil(callers, (started) => started >= operations, operation, pid);
}

/**
 * As {@link runCallers}, until somebody says that it is enough.
 *
 * @param isEnough Told how many operations have begun; asked before each.
 */
export async function runCallersUntil(
  callers: number,
  isEnough: (started: number) => boolean,
  operation: Operation,
  pid?: number,
): Promise<Sample> {
  assert(Number.isInteger(callers) && callers >= 1, "at least one caller asks");
  const latencies = new LatencyRecorder();
  let started = 0;
  const caller = async (): Promise<void> => {
    let freeMs = performance.now();
    while (!isEnough(started)) {
      await operation(started++);
      const doneMs = performance.now();
      latencies.record(doneMs - freeMs);
      freeMs = doneMs;
    }
  };
  return measured(
    () => started,
    latencies,
    pid,
    async () => {
      await Promise.all(Array.from({ length: callers }, caller));
    },
  );
}

/** What {@link runAtRate} may have open: beyond this the subject is overrun, not slow. */
const IN_FLIGHT_MAX = 100_000;

/**
 * Open loop: operations begin at fixed moments, whether or not earlier ones were answered. A
 * latency runs from the moment an operation was meant to begin, so a stall of the subject is felt
 * by every operation that it made wait (no coordinated omission).
 *
 * @param ratePerS Operations meant to begin per second.
 * @throws Error if more than 100,000 operations are open at once.
 */
export async function runAtRate(
  ratePerS: number,
  totalOperations: number,
  operation: Operation,
  pid?: number,
): Promise<Sample> {
  assert(ratePerS > 0, "the rate is positive");
  const latencies = new LatencyRecorder();
  const open = new Set<Promise<void>>();
  const intervalMs = 1000 / ratePerS;
  const begin = async (index: number, intendedMs: number): Promise<void> => {
    await operation(index);
    latencies.record(performance.now() - intendedMs);
  };
  return measured(
    () => totalOperations,
    latencies,
    pid,
    async () => {
      const startMs = performance.now();
      const failures: unknown[] = [];
      for (let index = 0; index < totalOperations && failures.length === 0; index++) {
        const intendedMs = startMs + index * intervalMs;
        while (performance.now() < intendedMs) await nextTurn();
        if (open.size >= IN_FLIGHT_MAX) throw new Error(`${IN_FLIGHT_MAX} operations are open`);
        const running = begin(index, intendedMs)
          .catch((error: unknown) => {
            failures.push(error);
          })
          .finally(() => open.delete(running));
        open.add(running);
      }
      await Promise.all(open);
      if (failures.length > 0) throw failures[0];
    },
  );
}

/**
 * Repeats synchronous work, in slices, and returns its rate.
 *
 * @param work Does `count` operations.
 */
export async function runSlices(
  totalOperations: number,
  sliceOperations: number,
  work: (count: number) => void,
): Promise<Sample> {
  const cpuBefore = cpuMicrosOf();
  const startMs = performance.now();
  for (let done = 0; done < totalOperations; done += sliceOperations) {
    work(Math.min(sliceOperations, totalOperations - done));
    await nextTurn();
  }
  const elapsedMs = performance.now() - startMs;
  return {
    value: (totalOperations / elapsedMs) * 1000,
    cpuMicrosPerOp: (cpuMicrosOf() - cpuBefore) / totalOperations,
  };
}

/**
 * Does asynchronous work once, and returns its rate.
 *
 * @param operations How many operations that was; asked when it is done.
 */
export async function runOnce(
  operations: () => number,
  work: () => Promise<unknown>,
): Promise<Sample> {
  const cpuBefore = cpuMicrosOf();
  const startMs = performance.now();
  await work();
  const elapsedMs = performance.now() - startMs;
  return {
    value: (operations() / elapsedMs) * 1000,
    cpuMicrosPerOp: (cpuMicrosOf() - cpuBefore) / operations(),
  };
}

async function measured(
  operations: () => number,
  latencies: LatencyRecorder,
  pid: number | undefined,
  body: () => Promise<void>,
): Promise<Sample> {
  const cpuBefore = cpuMicrosOf(pid);
  const startMs = performance.now();
  await body();
  const elapsedMs = performance.now() - startMs;
  return {
    value: (operations() / elapsedMs) * 1000,
    cpuMicrosPerOp: (cpuMicrosOf(pid) - cpuBefore) / operations(),
    p50: latencies.percentileMs(50),
    p99: latencies.percentileMs(99),
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
