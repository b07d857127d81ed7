import { createRandom, readFullyAt, writeFullyAt } from "@kvs/env";
import { expect, test } from "vitest";

import { type DiskFaultPlan } from "../../src/disk/disk-faults.ts";
import { SimStorage } from "../../src/disk/sim-storage.ts";
import { ManualContext, filled, makeFile, makeToyDisk } from "./toy-disk.ts";

test("a write takes its bytes as late as it may: reusing the buffer early is seen", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  const buffer = filled(10, 1);

  const writing = file.writeAt(buffer, 0);
  buffer.fill(2);
  await writing;
  buffer.fill(3);

  expect(storage.readFile("file")).toEqual(filled(10, 2));
  const image = storage.sampleCrashImage(createRandom(1), "keep-all");
  expect(image.readFile("file")).toEqual(filled(10, 2));
});

test("a durable write takes its bytes late too", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  const buffer = filled(10, 1);

  const writing = file.writeDurableAt(buffer, 0);
  buffer.fill(2);
  await writing;

  expect([...storage.worstCase().readFile("file")]).toEqual([...filled(10, 2)]);
});

test("a read fills its buffer late", async () => {
  const { disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(4, 1));
  const target = new Uint8Array(4);

  const reading = file.readAt(target, 0);

  expect([...target]).toEqual([0, 0, 0, 0]);
  target.fill(9);
  await reading;
  expect([...target]).toEqual([1, 1, 1, 1]);
});

test("where time passes, a write may capture its first part before the rest", async () => {
  const plan: DiskFaultPlan = { latencyMinMicros: 1000 };
  const seen = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const storage = new SimStorage({ random: createRandom(1) });
    const context = new ManualContext(plan);
    for (let drawn = 0; drawn < seed; drawn++) context.random.nextUint32();
    const disk = storage.attach(Object.assign(context, { random: createRandom(seed) }));
    const file = await context.wait(disk.open("file", { create: true }));
    const buffer = filled(1000, 1);
    const writing = file.writeAt(buffer, 0);
    await context.step();
    buffer.fill(2);
    await context.wait(writing);
    const bytes = storage.readFile("file");
    const ones = bytes.lastIndexOf(1) + 1;
    expect(bytes.subarray(ones).every((byte) => byte === 2)).toBe(true);
    seen.add(ones === 0 ? "late" : ones === 1000 ? "early" : "torn");
  }
  expect(seen.has("torn")).toBe(true);
});

test("a read under way during a write may see both the old and the new", async () => {
  let torn = 0;
  for (let seed = 0; seed < 40; seed++) {
    const storage = new SimStorage({ random: createRandom(1) });
    storage.writeFile("file", filled(1000, 1));
    const context = new ManualContext({ latencyMinMicros: 1000 });
    const disk = storage.attach(Object.assign(context, { random: createRandom(seed) }));
    const file = await context.wait(disk.open("file"));
    const target = new Uint8Array(1000);
    const reading = file.readAt(target, 0);
    await context.step();
    storage.overwrite("file", 0, filled(1000, 2));
    expect(await context.wait(reading)).toBe(1000);
    if (target.includes(1) && target.includes(2)) torn += 1;
  }
  expect(torn).toBeGreaterThan(0);
});

test("a sync covers the writes answered before it was called, and no others", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(1, 1), 0);

  const late = file.writeAt(filled(1, 2), 1);
  await file.datasync();
  await late;

  expect([...storage.readFile("file")]).toEqual([1, 2]);
  expect([...storage.worstCase().readFile("file")]).toEqual([1]);
});

test("a durable write leaves other writes pending", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await file.writeAt(filled(3, 1), 0);
  await file.writeDurableAt(filled(1, 2), 1);

  expect([...storage.worstCase().readFile("file")]).toEqual([0, 2]);
  expect([...storage.readFile("file")]).toEqual([1, 2, 1]);
});

test("a sync stores the name only where the file system does so", async () => {
  for (const syncAlsoSyncsName of [false, true]) {
    const { storage, disk } = makeToyDisk({ syncAlsoSyncsName });
    const file = await disk.open("first", { create: true });
    await disk.rename("first", "second");
    await file.writeAt(filled(1, 1), 0);
    await file.datasync();

    expect(storage.worstCase().files()).toEqual(syncAlsoSyncsName ? ["second"] : []);
  }
});

test("two durable writes of one file at a time are a bug", async () => {
  const { disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  const first = file.writeDurableAt(filled(1, 1), 0);

  expect(() => file.writeDurableAt(filled(1, 1), 1)).toThrow("one durable write");
  await first;
  await file.writeDurableAt(filled(1, 1), 1);
});

test("a failed sync is final for the file, and the next sync lies", async () => {
  for (const cacheAfterFailedSync of ["new", "old"] as const) {
    const { storage, disk, verdicts } = makeToyDisk({ cacheAfterFailedSync });
    const file = await makeFile(disk, "file", filled(512 * 64, 1));
    await writeFullyAt(file, filled(512 * 64, 2), 0);
    verdicts.set("datasync", { type: "error", code: "DISK_IO" });

    await expect(file.datasync()).rejects.toMatchObject({
      code: "DISK_SYNC_FAILED",
      outcome: "unknown",
      retryable: false,
    });

    await expect(file.size()).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
    await expect(file.writeAt(filled(1, 1), 0)).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
    expect(() => file.readAtSync(new Uint8Array(1), 0)).toThrow("DISK_SYNC_FAILED");
    await file.close();
    const again = await disk.open("file");
    await again.datasync();
    const stored = storage.worstCase().readFile("file");
    expect(new Set(stored)).toEqual(new Set([1, 2]));
    const seen = new Uint8Array(stored.length);
    await readFullyAt(again, seen, 0);
    expect(seen).toEqual(cacheAfterFailedSync === "new" ? filled(512 * 64, 2) : stored);
    expect(storage.stats.faults.get("disk.sync-failed")).toBe(1);
  }
});

test("every handle open during a failed sync hears of it at its next sync", async () => {
  const { disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file");
  const other = await disk.open("file");
  const third = await disk.open("file");
  const fourth = await disk.open("file");
  verdicts.set("datasync", { type: "error", code: "DISK_SYNC_FAILED" });
  const first = file.datasync();
  const second = file.datasync();
  const underWay = file.readAt(new Uint8Array(1), 0);

  await expect(first).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  await expect(underWay).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  await expect(second).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  expect(await other.size()).toBe(0);
  await expect(other.datasync()).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  await expect(other.size()).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
  await expect(third.writeDurableAt(filled(1, 1), 0)).rejects.toMatchObject({
    code: "DISK_SYNC_FAILED",
  });
  await expect(fourth.allocate(0, 1)).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
});

test("a durable write or allocation that fails its sync poisons the file", async () => {
  for (const call of ["writeDurableAt", "allocate"] as const) {
    const { storage, disk, verdicts } = makeToyDisk();
    const file = await makeFile(disk, "file");
    verdicts.set(call, { type: "error", code: "DISK_IO" });

    const failing =
      call === "allocate" ? file.allocate(0, 5000) : file.writeDurableAt(filled(512 * 50, 1), 0);

    await expect(failing).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
    await expect(file.datasync()).rejects.toMatchObject({ code: "DISK_SYNC_FAILED" });
    if (call === "writeDurableAt") {
      const stored = storage.worstCase().readFile("file");
      expect(stored.includes(1) && stored.includes(0)).toBe(true);
    }
  }
});

test("a full disk takes what fits, then refuses, and has room again after a cut", async () => {
  const { storage, disk } = makeToyDisk({ totalBytes: 4 * 4096 });
  const file = await makeFile(disk, "file");

  expect(await file.writeAt(filled(6 * 4096, 1), 100)).toBe(4 * 4096 - 100);
  await expect(file.writeAt(filled(1, 1), 4 * 4096)).rejects.toMatchObject({
    code: "DISK_FULL",
    retryable: true,
  });
  expect(await file.writeAt(filled(10, 2), 50)).toBe(10);
  expect(await disk.space("/")).toEqual({ freeBytes: 0, totalBytes: 4 * 4096 });

  await file.truncate(4096);
  expect((await disk.space("/")).freeBytes).toBe(3 * 4096);
  expect(await file.writeAt(filled(1, 1), 4 * 4096)).toBe(1);
  await disk.unlink("file");
  await disk.syncDirectory("/");
  expect((await disk.space("/")).freeBytes).toBe(2 * 4096);
  await file.close();
  expect((await disk.space("/")).freeBytes).toBe(4 * 4096);
  expect(storage.stats.faults.get("disk.full")).toBe(1);
});

test("a durable write that does not fit stores nothing, and the file stays usable", async () => {
  const { storage, disk } = makeToyDisk({ totalBytes: 2 * 4096 });
  const file = await makeFile(disk, "file");

  await expect(file.writeDurableAt(filled(3 * 4096, 1), 0)).rejects.toMatchObject({
    code: "DISK_FULL",
  });

  expect(storage.worstCase().readFile("file")).toHaveLength(0);
  await file.truncate(0);
  await file.writeDurableAt(filled(2 * 4096, 2), 0);
  expect(storage.worstCase().readFile("file")).toEqual(filled(2 * 4096, 2));
});

test("an allocation stores zeros that take space, or stops where the disk is full", async () => {
  const { storage, disk, verdicts } = makeToyDisk({ totalBytes: 4 * 4096 });
  const file = await makeFile(disk, "file");
  await file.allocate(0, 2 * 4096);
  expect(storage.worstCase().readFile("file")).toEqual(new Uint8Array(2 * 4096));
  expect((await disk.space("/")).freeBytes).toBe(2 * 4096);

  await expect(file.allocate(0, 9 * 4096)).rejects.toMatchObject({ code: "DISK_FULL" });
  expect(await file.size()).toBe(4 * 4096);

  await file.truncate(0);
  verdicts.set("allocate", { type: "error", code: "DISK_FULL" });
  await expect(file.allocate(0, 4096)).rejects.toMatchObject({ code: "DISK_FULL" });
  expect(await file.size()).toBe(2048);
});

test("an empty durable write or allocation changes nothing", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(100, 1));
  await file.truncate(50);
  await file.writeDurableAt(new Uint8Array(0), 80);
  await file.allocate(80, 80);

  expect(storage.readFile("file")).toEqual(filled(50, 1));
  expect(storage.worstCase().readFile("file")).toEqual(filled(100, 1));
  expect(storage.pendingSectors()).toBe(1);
});

test("far positions take no memory", async () => {
  const { storage, disk } = makeToyDisk();
  const file = await makeFile(disk, "file");
  await writeFullyAt(file, filled(5000, 1), 2 ** 40);
  await file.truncate(2 ** 45);
  await file.datasync();

  const image = storage.worstCase().attach(new ManualContext());

  expect((await disk.stat("file"))!.sizeBytes).toBe(2 ** 45);
  expect((await disk.space("/")).freeBytes).toBe(2 ** 40 - 2 * 4096);
  expect(image).toBeDefined();
});

test("a verdict makes reads and writes short, never empty", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(100, 1));
  verdicts.set("readAt", { type: "short", bytes: 7 });
  expect(await file.readAt(new Uint8Array(50), 0)).toBe(7);
  verdicts.set("writeAt", { type: "short", bytes: 0 });
  expect(await file.writeAt(filled(50, 1), 0)).toBe(1);
  verdicts.set("readAtSync", { type: "short", bytes: 3 });
  expect(file.readAtSync(new Uint8Array(50), 0)).toBe(3);
  verdicts.set("readAt", { type: "short", bytes: 500 });
  expect(await file.readAt(new Uint8Array(50), 0)).toBe(50);
  expect(await file.writeAt(new Uint8Array(0), 0)).toBe(0);

  expect(storage.stats.faults.get("disk.short-read")).toBe(2);
  expect(storage.stats.faults.get("disk.short-write")).toBe(1);
});

test("a failed write leaves any mixture, a failed cut nothing", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(512 * 50, 1));
  verdicts.set("writeAt", { type: "error", code: "DISK_IO" });
  await expect(file.writeAt(filled(512 * 50 - 100, 2), 100)).rejects.toMatchObject({
    code: "DISK_IO",
    outcome: "unknown",
  });
  const mixed = storage.readFile("file");
  expect(mixed.includes(1) && mixed.includes(2)).toBe(true);

  verdicts.set("writeAt", { type: "error", code: "DISK_FULL" });
  await expect(file.writeAt(filled(10, 3), 0)).rejects.toMatchObject({ code: "DISK_FULL" });
  verdicts.set("writeDurableAt", { type: "error", code: "DISK_FULL" });
  await expect(file.writeDurableAt(filled(10, 3), 0)).rejects.toMatchObject({ code: "DISK_FULL" });
  verdicts.set("truncate", { type: "error", code: "DISK_IO" });
  await expect(file.truncate(5)).rejects.toMatchObject({ code: "DISK_IO" });

  expect(storage.readFile("file")).toEqual(mixed);
});

test("a read may fail once, or for good until its page is written", async () => {
  const { storage, disk, verdicts } = makeToyDisk();
  const file = await makeFile(disk, "file", filled(3 * 4096, 1));
  const target = new Uint8Array(3 * 4096);
  verdicts.set("readAt", { type: "error", code: "DISK_IO" });
  await expect(file.readAt(target, 0)).rejects.toMatchObject({
    code: "DISK_IO",
    outcome: "unknown",
  });
  expect(await file.readAt(target, 0)).toBe(3 * 4096);

  verdicts.set("readAtSync", { type: "error", code: "DISK_IO", isSticky: true });
  expect(() => file.readAtSync(target, 4096 + 5)).toThrow("DISK_IO");

  expect(await file.readAt(target, 0)).toBe(4096);
  await expect(file.readAt(target, 4096)).rejects.toMatchObject({ code: "DISK_IO" });
  expect(await file.readAt(target, 2 * 4096)).toBe(4096);
  await file.writeAt(filled(4096, 2), 4096);
  expect(await file.readAt(target, 0)).toBe(3 * 4096);
  expect(storage.stats.faults.get("disk.bad-sector")).toBe(1);
  expect(storage.stats.faults.get("disk.eio-read")).toBe(2);
});
