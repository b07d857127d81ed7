import { type Disk, createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { diskConformance } from "../../src/conformance/disk.ts";
import {
  type DiskContext,
  type DiskFaultPlan,
  instantContext,
} from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";

const HARMLESS: DiskFaultPlan = {
  latencyMinMicros: 10,
  latencyMeanMicros: 500,
  shortRead: 0.3,
  shortWrite: 0.3,
  stall: 0.05,
  stallMaxMicros: 5000,
};

/** Calls answered in the order of their delays, as a scheduler would, without its time passing. */
function orderedContext(seed: number, plan: DiskFaultPlan): DiskContext {
  const waiting: { at: number; action: () => void }[] = [];
  let now = 0;
  const runNext = (): void => {
    waiting.sort((a, b) => a.at - b.at);
    const next = waiting.shift()!;
    now = next.at;
    next.action();
  };
  return {
    random: createRandom(seed),
    plan,
    after: (delayMicros, action) => {
      waiting.push({ at: now + delayMicros, action });
      setImmediate(runNext);
    },
  };
}

const twins: readonly [string, (seed: number) => DiskContext][] = [
  ["instant", (seed) => instantContext(createRandom(seed))],
  ["slow with short calls", (seed) => orderedContext(seed, HARMLESS)],
];

for (const [twin, makeContext] of twins) {
  for (const [index, { name, run }] of diskConformance().entries()) {
    test(`${twin}: ${name}`, async () => {
      for (let seed = 0; seed < 5; seed++) {
        const storage = new SimStorage({ random: createRandom(seed) });
        const disk = storage.attach(makeContext(seed));
        const otherDisk = storage.attach(makeContext(seed + 100));
        await disk.makeDirectory(`tests/${index}`);

        await run(disk, `tests/${index}`, otherDisk);
      }
    });
  }
}

test("the suite fails on a disk that breaks a promise", async () => {
  const breakages: ((disk: Disk) => Partial<Disk>)[] = [
    (disk) => ({ list: async (path) => (await disk.list(path)).toReversed() }),
    () => ({ unlink: () => Promise.resolve() }),
    () => ({ lock: () => Promise.resolve({ release: () => Promise.resolve() }) }),
    () => ({ makeDirectory: () => Promise.resolve() }),
    () => ({ rename: () => Promise.resolve() }),
    (disk) => ({ open: (path) => disk.open(path, { create: true }) }),
  ];
  for (const breakIt of breakages) {
    const failures: string[] = [];
    for (const { name, run } of diskConformance()) {
      const storage = new SimStorage({ random: createRandom(1) });
      const whole = storage.attach(instantContext());
      await whole.makeDirectory("d");
      const disk: Disk = { ...boundMethods(whole), ...breakIt(whole) };
      await run(disk, "d").catch(() => failures.push(name));
    }
    expect(failures.length).toBeGreaterThan(0);
    expect(failures.length).toBeLessThan(diskConformance().length);
  }
});

function boundMethods(disk: Disk): Disk {
  return {
    open: (path, options) => disk.open(path, options),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    list: (path) => disk.list(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    removeDirectory: (path) => disk.removeDirectory(path),
    stat: (path) => disk.stat(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    lock: (path) => disk.lock(path),
    space: (path) => disk.space(path),
  };
}
