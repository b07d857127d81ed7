import { expect, test } from "vitest";

import { checkWal } from "../src/index.ts";
import { TestKeys } from "./test-keys.ts";
import { PATH, environmentOn, newStorage, openWal, payloadOf } from "./fixture.ts";

test("a sound log is clean, and counted", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  for (let index = 0; index < 10; index++) wal.append(1, payloadOf(index, 300));
  await wal.close();

  const check = await checkWal(environmentOn(storage), PATH);
  expect(check).toMatchObject({
    segmentCount: wal.stats().segmentCount,
    headPosition: 0,
    endLsn: wal.endLsn,
    recordCount: 10,
    payloadBytes: 3000,
    epoch: 2,
    state: "clean",
    damage: undefined,
  });
  expect(check.segments.map(({ base, recordCount }) => [base, recordCount])).toEqual([
    [0, 3],
    [1024, 3],
    [2048, 3],
    [3072, 1],
  ]);
  expect(check.segments[0]).toEqual({
    path: "log/00000000000000000000.wal",
    base: 0,
    recordCount: 3,
    payloadBytes: 864,
    firstEpoch: 2,
    lastEpoch: 2,
    keyIds: [],
    compressedCount: 0,
  });
});

test("a sealed and compressed log is checked, with keys to the last byte", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const wal = await openWal(storage, { keys, compression: { compressor: "fast", fromBytes: 64 } });
  wal.append(
    1,
    new Uint8Array(20_000).map((_, at) => (at % 200 < 100 ? 0 : at)),
  );
  keys.currentId = 3;
  wal.append(2, payloadOf(1, 100));
  await wal.close();
  const blind = await checkWal(environmentOn(storage), PATH);
  expect(blind).toMatchObject({ state: "clean", recordCount: 2 });
  expect(blind.segments.at(-1)).toMatchObject({ keyIds: [1, 3], compressedCount: 0 });
  expect(blind.segments[0]).toMatchObject({ keyIds: [1], compressedCount: 1, recordCount: 1 });
  expect(await checkWal(environmentOn(storage), PATH, { keys })).toEqual(blind);
  keys.destroyed.add(3);
  expect(await checkWal(environmentOn(storage), PATH, { keys })).toMatchObject({
    state: "damaged",
    damage: { code: "WAL_KEY_UNKNOWN", details: { keyId: 3 } },
  });
});

test("no log is clean and empty", async () => {
  expect(await checkWal(environmentOn(newStorage()), PATH)).toMatchObject({
    segmentCount: 0,
    state: "clean",
  });
});

test("damage anywhere in the middle is found, and nothing is changed", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  for (let index = 0; index < 10; index++) {
    wal.append(1, payloadOf(index, 448));
    await wal.sync();
  }
  await wal.close();
  storage.flipBit("log/00000000000000001024.wal", 8 * 700);
  const before = storage.readFile("log/00000000000000001024.wal");

  const check = await checkWal(environmentOn(storage), PATH);
  expect(check).toMatchObject({
    state: "damaged",
    recordCount: 3,
    damage: { code: "WAL_DAMAGED", details: { path: "log/00000000000000001024.wal" } },
  });
  expect(storage.readFile("log/00000000000000001024.wal")).toEqual(before);
  storage.removeFile("log/00000000000000001024.wal");
  expect(await checkWal(environmentOn(storage), PATH)).toMatchObject({ state: "damaged" });
});

test("a torn tail and an unfinished repair are told", async () => {
  const storage = newStorage();
  const wal = await openWal(storage);
  for (let index = 0; index < 3; index++) wal.append(1, payloadOf(index, 700));
  await wal.close();
  storage.zeroSector("log/00000000000000000000.wal", 2);
  expect(await checkWal(environmentOn(storage), PATH)).toMatchObject({
    state: "torn",
    recordCount: 1,
  });
  storage.writeFile("log/repair", new Uint8Array(10));
  expect(await checkWal(environmentOn(storage), PATH)).toMatchObject({ state: "repair" });
});

test("an error of the disk is not taken for damage", async () => {
  const storage = newStorage();
  await (await openWal(storage)).close();
  storage.failReads("log/00000000000000000000.wal", 0, 4096);
  await expect(checkWal(environmentOn(storage), PATH)).rejects.toMatchObject({ code: "DISK_IO" });
});
