import { expect, test } from "vitest";

import { checkWal } from "../src/index.ts";
import { PATH, environmentOn, newStorage, openWal, payloadOf } from "./fixture.ts";

test("a sound log is clean, and counted", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  for (let index = 0; index < 10; index++) wal.append(1, payloadOf(index, 300));
  await wal.close();

  expect(await checkWal(environmentOn(storage), PATH)).toEqual({
    segmentCount: wal.stats().segmentCount,
    headPosition: 0,
    endLsn: wal.endLsn,
    recordCount: 10,
    payloadBytes: 3000,
    epoch: 2,
    state: "clean",
    damage: undefined,
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
