import { createRandom } from "@kvs/env";
import { type DiskCall, type DiskVerdict, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { Wal } from "../src/index.ts";
import {
  PATH,
  environmentOn,
  newStorage,
  openWal,
  payloadOf,
  readAll,
  walError,
} from "./fixture.ts";

function fullWhile(isFull: () => boolean): (call: DiskCall) => DiskVerdict | undefined {
  return ({ operation }) =>
    operation === "allocate" && isFull() ? { type: "error", code: "DISK_FULL" } : undefined;
}

// REL-W11
test("REL-W11: without space sync says so, keeps the records, and succeeds when space is back", async () => {
  const storage = newStorage();
  let isFull = false;
  const wal = await openWal(storage, { segmentBytes: 1024 }, { onCall: fullWhile(() => isFull) });
  wal.append(1, payloadOf(1, 600));
  await wal.sync();
  await settle();
  isFull = true;
  for (let index = 2; index < 6; index++) wal.append(index, payloadOf(index, 600));
  const { durableLsn } = wal;
  await expect(wal.sync()).rejects.toMatchObject({
    code: "WAL_DISK_FULL",
    retryable: true,
    outcome: "unknown",
  });
  expect(wal.durableLsn).toBe(durableLsn);
  expect(await readAll(wal)).toHaveLength(1);
  await expect(wal.sync()).rejects.toEqual(walError("WAL_DISK_FULL"));
  isFull = false;
  await wal.sync();
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([1, 2, 3, 4, 5]);
  await wal.close();
  expect(await readAll(await openWal(storage, { segmentBytes: 1024 }))).toHaveLength(5);
});

// REL-W11
test("REL-W11: without space the records can be cut off, and ensureSpace tells beforehand", async () => {
  const storage = newStorage();
  let isFull = false;
  const wal = await openWal(storage, { segmentBytes: 1024 }, { onCall: fullWhile(() => isFull) });
  wal.append(1, payloadOf(1, 600));
  await wal.sync();
  await settle();
  const kept = wal.endLsn;
  isFull = true;
  expect(wal.ensureSpace(100)).toBeUndefined();
  await expect(wal.ensureSpace(5000)).rejects.toMatchObject({
    code: "WAL_DISK_FULL",
    outcome: "none",
    retryable: true,
  });
  wal.append(2, payloadOf(2, 5000));
  await expect(wal.sync()).rejects.toEqual(walError("WAL_DISK_FULL"));
  await wal.truncateAfter(kept);
  wal.append(3, payloadOf(3, 100));
  await wal.sync();
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([1, 3]);
  isFull = false;
  await wal.ensureSpace(5000);
  expect(wal.ensureSpace(5000)).toBeUndefined();
  isFull = true;
  wal.append(4, payloadOf(4, 5000));
  await wal.sync();
  await expect(wal.close()).resolves.toBeUndefined();
});

// REL-W11
test("REL-W11: a real small disk fills up, and truncation brings space back", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: 10 * 4096 });
  const wal = await openWal(storage, { segmentBytes: 4096, spareSegments: 8 });
  let lastDurable = wal.endLsn;
  const fill = async (): Promise<void> => {
    for (let index = 0; index < 100; index++) {
      wal.append(1, payloadOf(index, 1000));
      await wal.sync();
      lastDurable = wal.endLsn;
    }
  };
  await expect(fill()).rejects.toEqual(walError("WAL_DISK_FULL"));
  expect(wal.durableLsn).toBe(lastDurable);
  await wal.truncateBefore(wal.durableLsn);
  await wal.sync();
  expect(wal.durableLsn).toBe(wal.endLsn);
});

test("room rejects while the disk is full", async () => {
  let isFull = false;
  const onCall = fullWhile(() => isFull);
  const wal = await openWal(newStorage(), { segmentBytes: 1 << 20 }, { onCall });
  isFull = true;
  for (let index = 0; index < 20; index++) wal.append(1, payloadOf(index, 1 << 20));
  await expect(wal.room()).rejects.toEqual(walError("WAL_DISK_FULL"));
  isFull = false;
  await wal.room();
  await wal.close();
});

// REL-W9
test("REL-W9: after a failed sync the log acknowledges nothing, writes nothing, and says why", async () => {
  const storage = newStorage();
  let fails = false;
  let writes = 0;
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined => {
    if (operation === "writeDurableAt") writes++;
    if (!fails || operation !== "writeDurableAt") return undefined;
    fails = false;
    return { type: "error", code: "DISK_SYNC_FAILED" };
  };
  const wal = await openWal(storage, {}, { onCall });
  wal.append(1, payloadOf(1, 100));
  await wal.sync();
  fails = true;
  wal.append(2, payloadOf(2, 100));
  await expect(wal.sync()).rejects.toMatchObject({
    code: "WAL_SYNC_FAILED",
    outcome: "unknown",
    retryable: false,
    details: { reported: "DISK_SYNC_FAILED" },
  });
  const before = writes;
  await expect(wal.sync()).rejects.toEqual(walError("WAL_SYNC_FAILED"));
  expect(() => wal.append(3, payloadOf(3, 100))).toThrow(
    expect.objectContaining({ code: "WAL_SYNC_FAILED", outcome: "none" }),
  );
  await expect(wal.truncateAfter(wal.durableLsn)).rejects.toEqual(walError("WAL_SYNC_FAILED"));
  await expect(wal.ensureSpace(100_000)).rejects.toEqual(walError("WAL_SYNC_FAILED"));
  await wal.close();
  expect(writes).toBe(before);
});

test("a listener that throws ends the process, and the log with it", async () => {
  const thrown: unknown[] = [];
  const environment = environmentOn(newStorage());
  const defer = (action: () => void): void => {
    environment.clock.defer(() => {
      try {
        action();
      } catch (error) {
        thrown.push(error);
      }
    });
  };
  const clock = { ...environment.clock, defer };
  const wal = await Wal.open({ ...environment, clock }, { path: PATH, segmentBytes: 4096 });
  const bug = new Error("a bug");
  wal.onDurable(() => {
    throw bug;
  });
  wal.append(1, payloadOf(1, 10));
  await expect(wal.sync()).rejects.toMatchObject({ code: "WAL_SYNC_FAILED", cause: bug });
  await settle();
  expect(thrown).toEqual([bug]);
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
