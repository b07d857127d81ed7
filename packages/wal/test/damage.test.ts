import { crc32 } from "@kvs/codec";
import { createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type WalRecord } from "../src/index.ts";
import { newStorage, openWal, payloadOf, readAll, walError } from "./fixture.ts";

const FIRST = "log/00000000000000000000.wal";

interface Written {
  readonly storage: SimStorage;
  readonly records: readonly WalRecord[];
  /** Where the last group begins: nothing on disk proves what follows. */
  readonly lastGroup: number;
}

/** A log of three segments, one record a group, one record over two segments, all acknowledged. */
async function writeLog(): Promise<Written> {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  let lastGroup = 0;
  for (let index = 0; index < 13; index++) {
    lastGroup = wal.endLsn;
    wal.append(1 + index, payloadOf(index, index === 4 ? 900 : 90 + index));
    await wal.sync();
  }
  await wal.close();
  const records = await readAll(await openWal(storage, { segmentBytes: 1024 }));
  expect(records.length).toBe(13);
  return { storage, records, lastGroup };
}

/** What is left: where the log ends, and the records up to the first damage a reader meets. */
async function readDamaged(storage: SimStorage): Promise<readonly WalRecord[] | "damaged"> {
  try {
    const wal = await openWal(storage, { segmentBytes: 1024 });
    return await readAll(wal);
  } catch (error) {
    expect(error).toEqual(walError("WAL_DAMAGED"));
    return "damaged";
  }
}

for (const [name, pattern] of [
  ["one bit", 0x10],
  ["every bit", 0xff],
] as const) {
  // REL-W4, REL-W23
  test(`REL-W23: ${name} of any byte flipped is damage, or cuts only the last group`, async () => {
    const { storage, records, lastGroup } = await writeLog();
    const kept = records.filter(({ lsn }) => lsn <= lastGroup);
    let damagedCount = 0;
    let cutCount = 0;
    for (const path of storage.files()) {
      const bytes = storage.readFile(path);
      for (const [at, byte] of bytes.entries()) {
        const image = storage.clone();
        image.overwrite(path, at, Uint8Array.of(byte ^ pattern));
        const found = await readDamaged(image);

        if (found === "damaged") damagedCount++;
        else if (found.length === kept.length) {
          cutCount++;
          expect(found).toEqual(kept);
        } else expect(found).toEqual(records);
      }
    }
    // Everything but the last group, its segment's header, and the zeros behind the end.
    expect(damagedCount).toBeGreaterThan(lastGroup - 3 * 64);
    expect(cutCount).toBeGreaterThanOrEqual(records.at(-1)!.lsn - lastGroup);
  });
}

// REL-W5
test("REL-W5: a torn tail is cut, and the log goes on behind it", async () => {
  const { storage, records, lastGroup } = await writeLog();
  const path = storage.files().find((name) => name.endsWith("2048.wal"))!;
  storage.overwrite(path, lastGroup - 2048 + 40, new Uint8Array(20));

  const wal = await openWal(storage);
  expect(wal.endLsn).toBe(lastGroup);
  wal.append(99, payloadOf(99, 50));
  await wal.close();

  const again = await readAll(await openWal(storage));
  expect(again.slice(0, -1)).toEqual(records.slice(0, -1));
  expect(again.at(-1)).toMatchObject({ kind: 99, start: lastGroup });
});

// REL-W5
test("REL-W5: a damaged middle is refused, with file, offset, expected and found", async () => {
  const storage = newStorage();
  const before = await openWal(storage, { segmentBytes: 1024 });
  for (let index = 0; index < 5; index++) before.append(1, payloadOf(index, 448));
  await before.close();
  const records = await readAll(await openWal(storage));
  const second = records[1]!;
  expect(second.start).toBe(64 + 480);
  storage.flipBit(FIRST, 8 * (second.start + 40));

  // Nothing but the last segment is searched at open: readers meet the damage.
  const wal = await openWal(storage);
  const damage = {
    code: "WAL_DAMAGED",
    outcome: "none",
    retryable: false,
    details: { path: FIRST, offset: second.start, reason: "checksum" },
  };
  await expect(readAll(wal)).rejects.toMatchObject(damage);
  await expect(wal.read(second.start)).rejects.toMatchObject(damage);
  const reader = wal.scan();
  expect(await reader.next()).toMatchObject({ payload: records[0]!.payload });
  await expect(reader.next()).rejects.toMatchObject(damage);
  // Records that are sound can still be read.
  expect(await readAll(wal, second.lsn)).toEqual(records.slice(2));
});

// REL-W5
test("REL-W5: damage in the last segment is refused at open, for a later record proves it", async () => {
  const { storage, records } = await writeLog();
  const last = records.at(-1)!;
  const before = records.at(-2)!;
  const base = 2048;
  expect(before.start).toBeGreaterThan(base);
  const path = "log/00000000000000002048.wal";
  const unharmed = storage.readFile(path);
  storage.overwrite(path, before.start - base, new Uint8Array(64));

  await expect(openWal(storage)).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    message: expect.stringContaining(`position ${last.start} proves it`),
    details: { path, offset: before.start - base },
  });
  // Nothing was repaired.
  unharmed.fill(0, before.start - base, before.start - base + 64);
  expect(storage.readFile(path)).toEqual(unharmed);
});

test("a segment that had begun proves that the one before was durable to its end", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  // One group over two segments, whose second record begins in the first and ends in the second.
  wal.append(1, payloadOf(1, 500));
  wal.append(2, payloadOf(2, 900));
  await wal.close();
  storage.flipBit(FIRST, 8 * 700);

  await expect(openWal(storage)).rejects.toEqual(walError("WAL_DAMAGED"));
});

test("a log that ends before a position known to be durable is damaged, not short", async () => {
  const { storage, records, lastGroup } = await writeLog();
  const end = records.at(-1)!.lsn;
  await expect(openWal(storage.clone(), { readFrom: end })).resolves.toBeDefined();
  await expect(openWal(storage.clone(), { readFrom: end + 1 })).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    details: { expected: end + 1, found: end },
  });
  const path = storage.files().find((name) => name.endsWith("2048.wal"))!;
  storage.overwrite(path, lastGroup - 2048, new Uint8Array(200));

  await expect(openWal(storage, { readFrom: end })).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    details: { expected: end, found: lastGroup },
  });
});

test("an absent log that should hold something is damaged, not new", async () => {
  const storage = newStorage();
  await expect(openWal(storage, { readFrom: 5000 })).rejects.toEqual(walError("WAL_DAMAGED"));
});

test("a log that begins after a position to read from is damaged", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  for (let index = 0; index < 10; index++) wal.append(1, payloadOf(index, 400));
  await wal.sync();
  await wal.truncateBefore(wal.endLsn);
  await wal.close();

  await expect(openWal(storage, { readFrom: 100 })).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    details: { expected: 100, found: wal.headPosition },
  });
});

test("a missing, a shortened and a foreign segment are damage", async () => {
  const { storage } = await writeLog();
  const missing = storage.clone();
  missing.removeFile("log/00000000000000001024.wal");
  await expect(openWal(missing)).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    details: { path: "log/00000000000000001024.wal" },
  });
  const shortened = storage.clone();
  shortened.truncateFile(FIRST, 800);
  await expect(openWal(shortened)).rejects.toMatchObject({ details: { found: 800 } });
  const headless = storage.clone();
  headless.overwrite(FIRST, 0, new Uint8Array(64));
  await expect(openWal(headless)).rejects.toEqual(walError("WAL_DAMAGED"));
  const other = newStorage(2);
  const foreign = await openWal(other, { segmentBytes: 1024 }, { random: createRandom(99) });
  for (let index = 0; index < 4; index++) foreign.append(1, payloadOf(index, 500));
  await foreign.close();
  const mixed = storage.clone();
  mixed.writeFile("log/00000000000000001024.wal", other.readFile("log/00000000000000001024.wal"));
  await expect(openWal(mixed)).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    message: expect.stringContaining("another log"),
  });
});

test("a log of a newer format is refused as such", async () => {
  const { storage } = await writeLog();
  const bytes = storage.readFile(FIRST);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 2, true);
  view.setUint32(60, crc32(bytes.subarray(0, 52)), true);
  storage.overwrite(FIRST, 0, bytes.subarray(0, 64));

  await expect(openWal(storage)).rejects.toMatchObject({
    code: "WAL_UNSUPPORTED",
    details: { path: FIRST, version: 2 },
  });
});

test("a damaged intent of a repair is damage", async () => {
  const { storage } = await writeLog();
  storage.writeFile("log/repair", new Uint8Array(70));

  await expect(openWal(storage)).rejects.toMatchObject({ details: { path: "log/repair" } });
});
