import { type DataKeys, KEY_BYTES, createRandom, isKvsError } from "@kvs/env";
import { crc32 } from "@kvs/codec";
import { type SimStorage, toyCiphers } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Wal, type WalOptions, type WalRecord } from "../src/index.ts";
import { type WorldOptions, newStorage, openWal, payloadOf, readAll, walError } from "./fixture.ts";
import { LogModel, checkImage } from "./log-model.ts";
import { runScript } from "./script.ts";
import { TestKeys } from "./test-keys.ts";

const FIRST = "log/00000000000000000000.wal";
/** What must be nowhere on the disk. */
const CANARY = new TextEncoder().encode("canary-in-the-coal-mine");

function sabotaged(name: string): WorldOptions {
  return { hooks: { hasMutant: (mutant) => mutant === name } };
}

/** A payload full of the canary. */
function canary(index: number, length: number): Uint8Array {
  const payload = payloadOf(index, length);
  for (let at = 4; at + CANARY.length <= length; at += CANARY.length) payload.set(CANARY, at);
  return payload;
}

function holdsCanary(storage: SimStorage): string | undefined {
  return storage.files().find((path) => indexOf(storage.readFile(path), CANARY) >= 0);
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = bytes.indexOf(wanted[0]!); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return at;
  }
  return -1;
}

test("sealed records read as they were appended: in order, one by one, buffered, over segments", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const wal = await openWal(storage, { keys, segmentBytes: 1024 });
  const appended: WalRecord[] = [];
  for (const [index, length] of [0, 1, 100, 3000, 895, 896, 897, 50].entries()) {
    const payload = payloadOf(index, length);
    const lsn = wal.append(1 + index, payload);
    appended.push({ kind: 1 + index, start: wal.lastStart, lsn, payload });
  }
  for (const record of appended) expect(await wal.read(record.start)).toEqual(record);
  await wal.sync();
  expect(await readAll(wal)).toEqual(appended);
  await wal.close();

  const again = await openWal(storage, { keys });
  expect(await readAll(again)).toEqual(appended);
  for (const record of appended) expect(await again.read(record.start)).toEqual(record);
});

test("a plaintext is nowhere on the disk, whatever crashes, is cut, repaired, recycled", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const options: Partial<WalOptions> = { keys, spareSegments: 2, segmentBytes: 1024 };
  const random = createRandom(5);
  let looked = 0;
  let repairs = 0;
  const onCall = (): undefined => {
    for (const image of [storage, storage.sampleCrashImage(random), storage.worstCase()]) {
      expect(holdsCanary(image)).toBeUndefined();
      if (image.files().some((path) => path.includes("repair"))) repairs++;
      looked++;
    }
  };
  for (let life = 0; life < 4; life++) {
    const wal = await openWal(storage, options, { onCall, random: createRandom(life) });
    for (let index = 0; index < 12; index++) {
      wal.append(1, canary(index, 40 + 200 * (index % 3)));
      const kept = wal.endLsn;
      if (index % 4 === 3) wal.append(2, canary(index, 900));
      await wal.sync();
      if (index % 4 === 3) await wal.truncateAfter(kept);
      if (index === 8) await wal.truncateBefore(wal.durableLsn);
    }
    if (life % 2 === 0) await wal.close();
    storage.processDied(); // the next open writes the last group once more, from a repair file
  }
  expect(looked).toBeGreaterThan(300);
  expect(repairs).toBeGreaterThan(10);
  const plain = newStorage();
  const open = await openWal(plain);
  open.append(1, canary(1, 100));
  await open.close();
  expect(holdsCanary(plain)).toBe(FIRST);
});

test("keys rotate within a log, and unsealed records from before there were keys stay readable", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const before = await openWal(storage);
  before.append(1, payloadOf(0, 100));
  await before.close();
  const wal = await openWal(storage, { keys });
  wal.append(2, payloadOf(1, 100));
  keys.currentId = 70_000;
  wal.append(3, payloadOf(2, 100));
  keys.currentId = 0xffff_ffff;
  wal.append(4, payloadOf(3, 100));
  await wal.close();

  const again = await openWal(storage, { keys });
  const records = await readAll(again);
  expect(records.map(({ kind, payload }) => [kind, payload])).toEqual(
    [0, 1, 2, 3].map((index) => [1 + index, payloadOf(index, 100)]),
  );
  expect(await again.keysInUse()).toEqual(new Set([1, 70_000, 0xffff_ffff]));
  keys.destroyed.add(70_000);
  const third = records[2]!;
  await expect(again.read(third.start)).rejects.toMatchObject({
    code: "WAL_KEY_UNKNOWN",
    details: { path: FIRST, offset: third.start, position: third.start, keyId: 70_000 },
  });
  const reader = again.scan();
  expect(await reader.nextBatch()).toHaveLength(2);
  expect(reader.position).toBe(third.start);
  await expect(reader.nextBatch()).rejects.toEqual(walError("WAL_KEY_UNKNOWN"));
  await expect(reader.nextBatch()).rejects.toEqual(walError("WAL_KEY_UNKNOWN"));
  expect(await readAll(again, third.lsn)).toHaveLength(1);
  await again.close();
  // Where a log ends is found without keys.
  const blind = await openWal(storage);
  expect(blind.endLsn).toBe(records[3]!.lsn);
  await expect(readAll(blind)).rejects.toEqual(walError("WAL_KEY_UNKNOWN"));
});

test("without the current key nothing is appended", async () => {
  const keys = new TestKeys();
  const wal = await openWal(newStorage(), { keys });
  keys.destroyed.add(1);
  const { endLsn } = wal;
  expect(() => wal.append(1, payloadOf(1, 10))).toThrow(
    expect.objectContaining({ code: "WAL_KEY_UNKNOWN", outcome: "none", details: { keyId: 1 } }),
  );
  expect(wal.endLsn).toBe(endLsn);
  keys.destroyed.clear();
  wal.append(1, payloadOf(1, 10));
  await wal.close();
});

test("the keys in use are those of the segments that are left", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const fill = async (wal: Wal, keyId: number): Promise<void> => {
    keys.currentId = keyId;
    for (let index = 0; index < 4; index++) wal.append(1, payloadOf(index, 700));
    await wal.sync();
  };
  const first = await openWal(storage, { keys, segmentBytes: 1024 });
  expect(await first.keysInUse()).toEqual(new Set());
  await fill(first, 1);
  await first.close();
  const wal = await openWal(storage, { keys });
  await fill(wal, 2);
  expect(await wal.keysInUse()).toEqual(new Set([1, 2]));
  await fill(wal, 3);
  expect(await wal.keysInUse()).toEqual(new Set([1, 2, 3]));
  await wal.truncateBefore(wal.durableLsn);
  expect(await wal.keysInUse()).toEqual(new Set([3]));
});

test("while nobody can tell which keys are in use, none is said to be free", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const first = await openWal(storage, { keys, segmentBytes: 1024 });
  for (let index = 0; index < 6; index++) first.append(1, payloadOf(index, 700));
  await first.close();
  const wal = await openWal(storage, { keys });
  storage.flipBit(FIRST, 8 * 500);
  await expect(wal.keysInUse()).rejects.toMatchObject({
    code: "WAL_DAMAGED",
    details: { path: FIRST, offset: 64 },
  });
  storage.flipBit(FIRST, 8 * 500);
  expect(await wal.keysInUse()).toEqual(new Set([1]));
});

test("the head may go while the keys in use are sought", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const first = await openWal(storage, { keys, segmentBytes: 1024, spareSegments: 0 });
  for (let index = 0; index < 6; index++) {
    keys.currentId = index < 3 ? 1 : 2;
    first.append(1, payloadOf(index, 700));
  }
  await first.close();
  const wal = await openWal(storage, { keys, spareSegments: 0 });
  const [used] = await Promise.all([wal.keysInUse(), wal.truncateBefore()]);
  expect(used.has(2)).toBe(true);
  expect(await wal.keysInUse()).toEqual(new Set([2]));
});

/** Copies a sealed record of the log to the place of another, and mends the checksum. */
async function moveRecord(world: WorldOptions): Promise<WalRecord[]> {
  const storage = newStorage();
  const keys = new TestKeys();
  const wal = await openWal(storage, { keys }, world);
  const starts: number[] = [];
  for (let index = 0; index < 3; index++) {
    wal.append(1, payloadOf(index, 100));
    await wal.sync();
    starts.push(wal.lastStart);
  }
  await wal.close();
  const bytes = storage.readFile(FIRST);
  const logId = bytes.slice(16, 24);
  const [from, to] = [starts[0]!, starts[1]!];
  const length = 32 + 32 + 100;
  const moved = bytes.slice(from, from + length);
  moved.set(bytes.subarray(to + 16, to + 32), 16); // the chain of the place that it goes to
  new DataView(moved.buffer).setUint32(0, crc32(moved.subarray(4), crc32(logId)), true);
  storage.overwrite(FIRST, to, moved);
  return readAll(await openWal(storage, { keys }, world));
}

test("a sealed record that was moved to another place is not authentic", async () => {
  await expect(moveRecord({})).rejects.toMatchObject({
    code: "WAL_NOT_AUTHENTIC",
    details: { path: FIRST, offset: 64 + 164, position: 64 + 164, keyId: 1 },
  });
});

test("without associated data a moved record passes for another (wal.skip-associated-data)", async () => {
  const records = await moveRecord(sabotaged("wal.skip-associated-data"));
  expect(records[1]!.payload).toEqual(records[0]!.payload);
});

test("whatever byte of a sealed record is changed under a right checksum, it is never read as a record", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const wal = await openWal(storage, { keys });
  wal.append(1, payloadOf(1, 60));
  await wal.sync();
  wal.append(2, payloadOf(2, 60));
  await wal.close();
  const bytes = storage.readFile(FIRST);
  const seed = crc32(bytes.slice(16, 24));
  const codes = new Set<string>();
  for (let at = 4; at < 32 + 32 + 60; at++) {
    const record = bytes.slice(64, 64 + 124);
    record[at]! ^= 0x04;
    new DataView(record.buffer).setUint32(0, crc32(record.subarray(4), seed), true);
    const image = storage.clone();
    image.overwrite(FIRST, 64, record);
    const code = await codeOfReading(image, keys);
    codes.add(code);
  }
  expect([...codes].toSorted()).toEqual(["WAL_DAMAGED", "WAL_KEY_UNKNOWN", "WAL_NOT_AUTHENTIC"]);
});

async function codeOfReading(storage: SimStorage, keys: DataKeys): Promise<string> {
  try {
    await readAll(await openWal(storage, { keys, sealedFrom: 0 }));
    return "read";
  } catch (error) {
    if (isKvsError(error)) return error.code;
    throw error;
  }
}

test("a wrong key under the right number is not authentic", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { keys: new TestKeys() });
  wal.append(1, payloadOf(1, 60));
  await wal.close();
  const cipher = toyCiphers.aes256Gcm(new Uint8Array(KEY_BYTES).fill(9));
  const keys: DataKeys = { currentId: 1, cipherOf: () => cipher };
  await expect(readAll(await openWal(storage, { keys }))).rejects.toEqual(
    walError("WAL_NOT_AUTHENTIC"),
  );
});

test("an unsealed record is refused where every one must be sealed", async () => {
  const storage = newStorage();
  const wal = await openWal(storage);
  wal.append(1, payloadOf(1, 60));
  const { lastStart } = wal;
  const lsn = wal.append(1, payloadOf(2, 5000));
  const second = wal.lastStart;
  await wal.close();
  const keys = new TestKeys();
  const again = await openWal(storage, { keys, sealedFrom: lsn });
  expect(await readAll(again)).toHaveLength(2);
  const strict = await openWal(storage, { keys, sealedFrom: second });
  expect((await strict.read(lastStart)).payload).toEqual(payloadOf(1, 60));
  await expect(strict.read(second)).rejects.toMatchObject({
    code: "WAL_NOT_AUTHENTIC",
    details: { offset: second, keyId: 0 },
  });
  const stricter = await openWal(storage, { keys, sealedFrom: 0 });
  await expect(readAll(stricter)).rejects.toEqual(walError("WAL_NOT_AUTHENTIC"));
});

/** Every nonce that one environment's logs ever used, over cuts and reopenings. */
async function usedNonces(world: WorldOptions): Promise<string[]> {
  const nonces: string[] = [];
  const cipher = toyCiphers.aes256Gcm(new Uint8Array(KEY_BYTES));
  const keys: DataKeys = {
    currentId: 1,
    cipherOf: () => ({
      seal: (message, plain, sealed) => {
        nonces.push(message.nonce.join(" "));
        cipher.seal(message, plain, sealed);
      },
      open: (message, sealed, plain) => cipher.open(message, sealed, plain),
    }),
  };
  const storage = newStorage();
  const random = createRandom(9);
  for (let life = 0; life < 3; life++) {
    const wal = await openWal(
      storage,
      { keys, segmentBytes: 1024 },
      { ...world, random: random.split(`${life}`) },
    );
    const kept = wal.endLsn;
    for (let index = 0; index < 5; index++) wal.append(1, payloadOf(index, 500));
    await wal.sync();
    if (life > 0) await wal.truncateAfter(kept);
    for (let index = 0; index < 5; index++) wal.append(1, payloadOf(index, 500));
    await wal.close();
  }
  return nonces;
}

test("no nonce is used twice, also for a position that is written again", async () => {
  const nonces = await usedNonces({});
  expect(nonces.length).toBeGreaterThan(30);
  expect(new Set(nonces).size).toBe(nonces.length);
});

test("a nonce that is used twice is caught (wal.reuse-nonce)", async () => {
  const nonces = await usedNonces(sabotaged("wal.reuse-nonce"));
  expect(new Set(nonces).size).toBeLessThan(nonces.length);
});

test("a sealed log survives crashes as an unsealed one does", async () => {
  const storage = newStorage();
  const random = createRandom(7);
  const keys = new TestKeys();
  const model = new LogModel(64);
  const images: { storage: SimStorage; expectation: ReturnType<LogModel["expectation"]> }[] = [];
  const onCall = (): undefined => {
    const expectation = model.expectation();
    for (let at = 0; at < 3; at++) {
      images.push({ storage: storage.sampleCrashImage(random), expectation });
    }
  };
  const options: Partial<WalOptions> = {
    keys,
    compression: { compressor: "fast", fromBytes: 64 },
    spareSegments: 1,
  };
  const wal = await openWal(storage, options, { onCall });
  await runScript(wal, model);

  expect(images.length).toBeGreaterThan(100);
  for (const image of images) await checkImage(image.storage, image.expectation, options);
});
