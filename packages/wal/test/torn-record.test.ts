import { createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Wal, type WalOptions } from "../src/index.ts";
import { newStorage, openWal, payloadOf, readAll } from "./fixture.ts";
import { TestKeys } from "./test-keys.ts";

const SETTINGS: readonly Partial<WalOptions>[] = [
  {},
  { keys: new TestKeys() },
  { keys: new TestKeys(), compression: { compressor: "fast", fromBytes: 64 } },
];

/** A log with one acknowledged record, and every image of power cuts while another is made durable. */
async function imagesOfOneRecord(
  options: Partial<WalOptions>,
  length: number,
): Promise<{ images: SimStorage[]; payload: Uint8Array }> {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatching = false;
  const onCall = (): undefined => {
    if (!isWatching) return;
    images.push(...storage.crashImages({ lastSectors: 8 }));
    for (let at = 0; at < 20; at++) images.push(storage.sampleCrashImage(createRandom(at)));
  };
  const wal = await openWal(storage, { ...options, segmentBytes: 16_384 }, { onCall });
  wal.append(1, payloadOf(1, 100));
  await wal.sync();
  isWatching = true;
  const payload = payloadOf(2, length);
  for (let at = 0; at < length; at += 64) payload.fill(at, at, at + 32); // so that it compresses
  wal.append(2, payload);
  await wal.sync();
  return { images, payload };
}

// REL-W1
test("REL-W1: a write torn inside one record, in any of its sectors, leaves the record whole or gone", async () => {
  for (const options of SETTINGS) {
    const { images, payload } = await imagesOfOneRecord(options, 8 * 512 - 40);
    expect(images.length).toBeGreaterThan(options.compression === undefined ? 250 : 40);
    let whole = 0;
    for (const image of images) {
      const wal = await openWal(image, options);
      const records = await readAll(wal);
      expect(records[0]).toMatchObject({ kind: 1, payload: payloadOf(1, 100) });
      if (records.length === 2) whole++;
      expect(records.slice(1).map((record) => record.payload)).toEqual(
        records.length === 2 ? [payload] : [],
      );
      await appendAndReopen(wal, image, options);
    }
    expect(whole).toBeGreaterThan(0);
    expect(whole).toBeLessThan(images.length);
  }
});

/** What is appended after a torn record was cut is what is read. */
async function appendAndReopen(
  wal: Wal,
  image: SimStorage,
  options: Partial<WalOptions>,
): Promise<void> {
  const { endLsn } = wal;
  wal.append(3, payloadOf(3, 50));
  await wal.close();
  const again = await openWal(image, options);
  expect(await readAll(again, endLsn)).toMatchObject([{ kind: 3, payload: payloadOf(3, 50) }]);
  await again.close();
}

// REL-W8
test("REL-W8: a tail that a crash left full of zeros is cut, wherever they begin", async () => {
  for (const options of SETTINGS) {
    const storage = newStorage();
    const wal = await openWal(storage, options);
    const ends: number[] = [wal.append(1, payloadOf(1, 300))];
    await wal.sync();
    for (let index = 2; index <= 4; index++) ends.push(wal.append(index, payloadOf(index, 300)));
    await wal.sync(); // the last group: nothing on disk vouches for it
    const { endLsn } = wal;
    await wal.close();
    const path = storage.files()[0]!;
    for (let from = ends[0]!; from < endLsn; from += 7) {
      const image = storage.clone();
      image.overwrite(path, from, new Uint8Array(4096 - from));
      const again = await openWal(image, options);
      const whole = ends.filter((end) => end <= from);
      expect((await readAll(again)).map(({ lsn }) => lsn)).toEqual(whole);
      await again.close();
    }
  }
});
