import { createRandom } from "@kvs/env";
import { type DiskCall, type DiskVerdict, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Wal, type WalOptions } from "../src/index.ts";
import { type WorldOptions, newStorage, openWal, payloadOf, readAll, walError } from "./fixture.ts";

const OPTIONS: Partial<WalOptions> = { segmentBytes: 1024, reserveBytes: 2048, spareSegments: 8 };

/** Appends records as a store does: asks first. */
async function write(wal: Wal, bytes: number, urgent: boolean): Promise<void> {
  await wal.ensureSpace(bytes, { urgent });
  wal.append(urgent ? 2 : 1, payloadOf(1, bytes));
  await wal.sync();
}

async function fill(wal: Wal, urgent: boolean): Promise<number> {
  for (let count = 0; count < 1000; count++) {
    try {
      await write(wal, 300, urgent);
    } catch (error) {
      expect(error).toMatchObject({ code: "WAL_DISK_FULL", outcome: "none", retryable: true });
      return count;
    }
  }
  throw new Error("the disk is never full");
}

async function fillAndRecover(world: WorldOptions): Promise<{ normal: number; urgent: number }> {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 12 * 4096 });
  const wal = await openWal(storage, OPTIONS, world);
  const normal = await fill(wal, false);
  const { endLsn } = wal;
  await expect(wal.ensureSpace(300)).rejects.toMatchObject({ outcome: "none" });
  expect(wal.endLsn).toBe(endLsn);
  expect(wal.stats().preparedBytes).toBeGreaterThan(2048 - 300);
  const urgent = await fill(wal, true);
  await wal.close();
  return { normal, urgent };
}

// REL-W11
test("REL-W11: when the disk is full, urgent records still have the reserve, and others are refused", async () => {
  const { normal, urgent } = await fillAndRecover({});
  expect(normal).toBeGreaterThan(10);
  expect(urgent).toBeGreaterThanOrEqual(3);
});

// REL-W11
test("REL-W11: a reserve that anybody may use is none (wal.ignore-reserve)", async () => {
  const world = { hooks: { hasMutant: (name: string) => name === "wal.ignore-reserve" } };
  await expect(fillAndRecover(world)).rejects.toThrow();
});

// REL-W11
test("REL-W11: writing goes on by itself when there is space again, and not before the reserve is full", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 12 * 4096 });
  const wal = await openWal(storage, OPTIONS);
  await fill(wal, false);
  await write(wal, 300, true); // a delete, say
  await expect(wal.ensureSpace(10)).rejects.toEqual(walError("WAL_DISK_FULL"));
  const before = wal.headPosition;
  await wal.truncateBefore();
  expect(wal.headPosition).toBeGreaterThan(before);
  await write(wal, 300, false);
  expect(wal.stats().preparedBytes).toBeGreaterThanOrEqual(2048);
  await wal.close();
});

// REL-W11
test("REL-W11: the reserve is there after a crash, though the disk is full", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 12 * 4096 });
  const wal = await openWal(storage, OPTIONS);
  await fill(wal, false);
  for (const image of [storage.worstCase(), storage.sampleCrashImage(createRandom(3))]) {
    const again = await openWal(image, OPTIONS);
    await write(again, 300, true);
    await write(again, 300, true);
    await again.close();
  }
});

test("a log opens without its reserve when the disk is full", async () => {
  const storage = newStorage();
  await (await openWal(storage, { segmentBytes: 1024 })).close();
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    operation === "allocate" ? { type: "error", code: "DISK_FULL" } : undefined;
  const wal = await openWal(storage, OPTIONS, { onCall });
  wal.append(1, payloadOf(1, 100));
  await wal.sync();
  await expect(wal.ensureSpace(100)).rejects.toEqual(walError("WAL_DISK_FULL"));
  expect(await readAll(wal)).toHaveLength(1);
});

test("an error of the disk while the reserve is made is one of opening, and closes the files", async () => {
  const storage = newStorage();
  await (await openWal(storage, { segmentBytes: 1024 })).close();
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    operation === "allocate" ? { type: "error", code: "DISK_SYNC_FAILED" } : undefined;
  await expect(openWal(storage, OPTIONS, { onCall })).rejects.toEqual(walError("WAL_SYNC_FAILED"));
});

// REL-W11
test("REL-W11: a question for space on a full disk writes no zeros in vain", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 12 * 4096 });
  const operations: string[] = [];
  const onCall = ({ operation }: DiskCall): undefined => void operations.push(operation);
  const wal = await openWal(storage, { ...OPTIONS, segmentBytes: 8192 }, { onCall });
  await fill(wal, false);
  operations.length = 0;
  for (let at = 0; at < 5; at++) {
    await expect(wal.ensureSpace(8000)).rejects.toEqual(walError("WAL_DISK_FULL"));
  }
  expect(operations).toEqual(["space", "space", "space", "space", "space"]);
});

test("when nobody knows how much is free, zeros are tried", async () => {
  let isFull = false;
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined => {
    if (operation === "space") return { type: "error", code: "DISK_IO" };
    return operation === "allocate" && isFull ? { type: "error", code: "DISK_FULL" } : undefined;
  };
  const wal = await openWal(newStorage(), { segmentBytes: 1024 }, { onCall });
  isFull = true;
  await expect(wal.ensureSpace(5000)).rejects.toEqual(walError("WAL_DISK_FULL"));
  await expect(wal.ensureSpace(5000)).rejects.toEqual(walError("WAL_DISK_FULL"));
  isFull = false;
  await wal.ensureSpace(5000);
  expect(wal.ensureSpace(5000)).toBeUndefined();
});

test("questions at the same time share one attempt", async () => {
  let allocations = 0;
  const onCall = ({ operation }: DiskCall): undefined => {
    if (operation === "allocate") allocations++;
  };
  const wal = await openWal(newStorage(), { segmentBytes: 1024 }, { onCall });
  allocations = 0;
  await Promise.all([wal.ensureSpace(1000), wal.ensureSpace(1000), wal.ensureSpace(4000)]);
  const needed = wal.stats().segmentCount - 1;
  expect(allocations).toBe(needed);
  await wal.close();
  await expect(wal.ensureSpace(100_000)).rejects.toEqual(walError("WAL_CLOSED"));
});
