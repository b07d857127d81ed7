import { type Compressors, KEY_BYTES } from "@kvs/env";
import { crc32 } from "@kvs/codec";
import { type SimStorage, toyCiphers, toyCompressors } from "@kvs/sim";
import { expect, test } from "vitest";

import { Wal, type WalOptions } from "../src/index.ts";
import { PATH, environmentOn, newStorage, openWal, payloadOf, readAll } from "./fixture.ts";

const FIRST = "log/00000000000000000000.wal";
const FAST: Partial<WalOptions> = { compression: { compressor: "fast", fromBytes: 64 } };

test("records that gain are compressed, others stay as they are; all read as they were appended", async () => {
  for (const compressor of ["fast", "zstd"] as const) {
    const storage = newStorage();
    const options: Partial<WalOptions> = { compression: { compressor, fromBytes: 64 } };
    const wal = await openWal(storage, { ...options, segmentBytes: 1024 });
    const payloads = [
      new Uint8Array(10_000).fill(7), // gains much
      payloadOf(1, 500), // does not gain: no repetitions
      new Uint8Array(63).fill(1), // too short to try
      new Uint8Array(64).fill(1),
      new Uint8Array(0),
      Uint8Array.from({ length: 6000 }, (_, at) => (at % 100 < 50 ? 0 : at)), // over segments
    ];
    const starts: number[] = [];
    for (const payload of payloads) {
      wal.append(1, payload);
      starts.push(wal.lastStart);
    }
    expect(starts[1]! - starts[0]!).toBeLessThan(500);
    expect(wal.endLsn).toBeLessThan(7000);
    for (const [at, start] of starts.entries()) {
      expect((await wal.read(start)).payload).toEqual(payloads[at]);
    }
    await wal.close();
    // What was compressed can be read, whatever the options say now.
    const again = await openWal(storage);
    expect((await readAll(again)).map(({ payload }) => payload)).toEqual(payloads);
    for (const [at, start] of starts.entries()) {
      expect((await again.read(start)).payload).toEqual(payloads[at]);
    }
  }
});

test("a record is compressed before it is sealed", async () => {
  const storage = newStorage();
  const cipher = toyCiphers.aes256Gcm(new Uint8Array(KEY_BYTES));
  const keys = { currentId: 1, cipherOf: () => cipher };
  const wal = await openWal(storage, { ...FAST, keys });
  wal.append(1, new Uint8Array(3000).fill(1));
  expect(wal.endLsn).toBeLessThan(400);
  await wal.close();
  const [record] = await readAll(await openWal(storage, { keys }));
  expect(record!.payload).toEqual(new Uint8Array(3000).fill(1));
});

/** A log of one compressed record, whose content a test changes under a right checksum. */
async function forged(change: (content: Uint8Array) => void): Promise<SimStorage> {
  const storage = newStorage();
  const wal = await openWal(storage, FAST);
  wal.append(1, new Uint8Array(3000).fill(1));
  const { endLsn } = wal;
  await wal.close();
  const bytes = storage.readFile(FIRST);
  const record = bytes.slice(64, endLsn);
  change(record.subarray(32));
  const seed = crc32(bytes.slice(16, 24));
  new DataView(record.buffer).setUint32(0, crc32(record.subarray(4), seed), true);
  storage.overwrite(FIRST, 64, record);
  return storage;
}

test("a compressed record that claims to be longer than any is refused before memory is taken", async () => {
  const asked: number[] = [];
  const spying: Compressors = {
    ...toyCompressors,
    fast: {
      ...toyCompressors.fast,
      decompress: (packed, plainBytes) => {
        asked.push(plainBytes);
        return toyCompressors.fast.decompress(packed, plainBytes);
      },
    },
  };
  for (const length of [0, 1, 20, 2999, 3001, 5000, 5001, 2 ** 31, 2 ** 32 - 1]) {
    const storage = await forged((content) => {
      new DataView(content.buffer, content.byteOffset).setUint32(0, length, true);
    });
    const environment = { ...environmentOn(storage), compressors: spying };
    const wal = await Wal.open(environment, { path: PATH, maxRecordBytes: 5000 });
    await expect(readAll(wal)).rejects.toMatchObject({
      code: "WAL_DAMAGED",
      details: { path: FIRST, offset: 64, position: 64, reason: "compression", found: length },
    });
    await expect(wal.read(64)).rejects.toMatchObject({ code: "WAL_DAMAGED" });
  }
  expect(Math.max(...asked)).toBeLessThanOrEqual(5000);
});

test("changed bytes of a compressed record are damage, whatever the checksum says", async () => {
  for (const at of [4, 8, 12, 20]) {
    const storage = await forged((content) => (content[at]! ^= 0x11));
    const wal = await openWal(storage);
    await expect(readAll(wal)).rejects.toMatchObject({
      code: "WAL_DAMAGED",
      details: { reason: "compression" },
    });
  }
});

test("other errors of a compressor are not taken for damage", async () => {
  const storage = await forged(() => undefined);
  const broken = {
    ...toyCompressors.fast,
    decompress: (): never => {
      throw new Error("a bug");
    },
  };
  const compressors = { ...toyCompressors, fast: broken };
  const wal = await Wal.open({ ...environmentOn(storage), compressors }, { path: PATH });
  await expect(readAll(wal)).rejects.toThrow("a bug");
});
