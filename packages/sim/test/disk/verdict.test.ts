import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import {
  type DiskFaultPlan,
  type DiskOperation,
  type DiskVerdict,
  drawDiskFaultPlan,
  instantContext,
} from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";
import { VerdictSource } from "../../src/disk/verdict.ts";
import { filled } from "./toy-disk.ts";

function drawMany(
  plan: DiskFaultPlan | undefined,
  operation: DiskOperation,
): (DiskVerdict | undefined)[] {
  const source = new VerdictSource(plan, createRandom(1));
  return Array.from({ length: 400 }, () => source.draw(operation, 100));
}

test("without a plan, or with an empty one, nothing happens and takes no time", () => {
  for (const plan of [undefined, {}]) {
    expect(drawMany(plan, "readAt").every((verdict) => verdict === undefined)).toBe(true);
    expect(new VerdictSource(plan, createRandom(1)).drawDelay().micros).toBe(0);
  }
});

test("each fault happens to its kind of call, about as often as planned", () => {
  const cases: [keyof DiskFaultPlan, DiskOperation, DiskVerdict["type"]][] = [
    ["readError", "readAt", "error"],
    ["badSector", "readAtSync", "error"],
    ["bitFlip", "readAt", "flip-bit"],
    ["shortRead", "readAt", "short"],
    ["shortWrite", "writeAt", "short"],
    ["writeError", "truncate", "error"],
    ["nameError", "rename", "error"],
    ["full", "allocate", "error"],
    ["tooManyFiles", "open", "error"],
    ["syncFailed", "syncDirectory", "error"],
    ["lostWrite", "datasync", "lose"],
    ["misdirectedWrite", "writeDurableAt", "misdirect"],
  ];
  for (const [fault, operation, type] of cases) {
    const verdicts = drawMany({ [fault]: 0.5 }, operation).filter((one) => one !== undefined);

    expect(verdicts.length).toBeGreaterThan(100);
    expect(verdicts.length).toBeLessThan(300);
    expect(verdicts.every((verdict) => verdict.type === type)).toBe(true);
    expect(drawMany({ [fault]: 1 }, "size").every((one) => one === undefined)).toBe(true);
  }
});

test("switching one fault off leaves the others where they were", () => {
  const both = drawMany({ shortRead: 0.2, readError: 0.2 }, "readAt");
  const one = drawMany({ shortRead: 0.2, readError: 0 }, "readAt");
  const errors = drawMany({ readError: 0.2 }, "readAt");

  for (const [index, verdict] of errors.entries()) {
    if (verdict !== undefined) expect(both[index]).toEqual(verdict);
  }
  expect(one.some((verdict) => verdict?.type === "short")).toBe(true);
});

test("latency has its minimum and its mean, stalls their maximum", () => {
  const source = new VerdictSource(
    { latencyMinMicros: 100, latencyMeanMicros: 1000, stall: 0.1, stallMaxMicros: 50 },
    createRandom(1),
  );
  const delays = Array.from({ length: 4000 }, () => source.drawDelay());

  const mean = delays.reduce((sum, { micros }) => sum + micros, 0) / delays.length;
  expect(Math.min(...delays.map(({ micros }) => micros))).toBeGreaterThanOrEqual(100);
  expect(mean).toBeGreaterThan(1000);
  expect(mean).toBeLessThan(1200);
  const stalls = delays.filter(({ stallMicros }) => stallMicros > 0);
  expect(stalls.length).toBeGreaterThan(200);
  expect(Math.max(...stalls.map(({ stallMicros }) => stallMicros))).toBeLessThanOrEqual(50);
});

test("a drawn plan is harmless unless failures or damage are allowed", () => {
  const harmful: (keyof DiskFaultPlan)[] = ["readError", "writeError", "nameError", "full"];
  const damaging: (keyof DiskFaultPlan)[] = [
    "lostWrite",
    "misdirectedWrite",
    "bitFlip",
    "badSector",
  ];
  const seen = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const harmless = drawDiskFaultPlan(createRandom(seed));
    for (const fault of [...harmful, ...damaging]) expect(harmless[fault]).toBe(0);
    const plan = drawDiskFaultPlan(createRandom(seed), { canFail: true, canDamage: true });
    expect(plan.shortRead).toBe(harmless.shortRead);
    expect(plan.latencyMinMicros).toBeLessThanOrEqual(30_000);
    expect(plan.latencyMeanMicros).toBeLessThanOrEqual(1_000_000);
    for (const [fault, value] of Object.entries(plan)) {
      if (Number(value) > 0) seen.add(fault);
    }
  }
  for (const fault of [...harmful, ...damaging]) expect(seen).toContain(fault);
});

test("a disk under every fault at once answers or fails by code, and counts what it did", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 2 ** 20 });
  const plan = {
    ...drawDiskFaultPlan(createRandom(1), { canFail: true, canDamage: true }),
    shortRead: 0.1,
    shortWrite: 0.1,
    readError: 0.02,
    badSector: 0.02,
    writeError: 0.02,
    nameError: 0.02,
    full: 0.02,
    tooManyFiles: 0.05,
    syncFailed: 0.02,
    lostWrite: 0.1,
    misdirectedWrite: 0.1,
    bitFlip: 0.05,
    stall: 0.05,
  };
  const random = createRandom(7);
  const codes = new Set<string>();
  const attempt = async <T>(call: Promise<T>): Promise<T | undefined> =>
    call.catch((error: { code: string }) => {
      codes.add(error.code);
      return undefined;
    });
  for (let life = 0; life < 60; life++) {
    const disk = storage.attach(instantContext(createRandom(life), { plan }));
    for (let round = 0; round < 3; round++) {
      const file = await attempt(disk.open(`file-${round}`, { create: true }));
      if (file === undefined) continue;
      for (let call = 0; call < 12; call++) {
        const position = random.below(40_000);
        await attempt(file.writeAt(filled(5000, call), position));
        await attempt(file.readAt(new Uint8Array(5000), position));
        await attempt(file.writeDurableAt(filled(600, call), position));
        if (call % 4 === 3) await attempt(file.datasync());
      }
      await attempt(disk.syncDirectory("/"));
      await file.close();
    }
    storage.crash();
  }

  expect([...codes].toSorted()).toEqual([
    "DISK_FULL",
    "DISK_IO",
    "DISK_SYNC_FAILED",
    "DISK_TOO_MANY_FILES",
  ]);
  expect([...storage.stats.faults.keys()]).toEqual(
    expect.arrayContaining([
      "disk.bit-flip",
      "disk.eio-name",
      "disk.eio-read",
      "disk.eio-write",
      "disk.bad-sector",
      "disk.full",
      "disk.lost-write",
      "disk.misdirected-write",
      "disk.short-read",
      "disk.short-write",
      "disk.stall",
      "disk.sync-failed",
      "disk.too-many-files",
    ]),
  );
});
