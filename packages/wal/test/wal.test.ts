import { compareBytes } from "@kvs/codec";
import { AssertionFailure } from "@kvs/env";
import { type DiskCall } from "@kvs/sim";
import { expect, test } from "vitest";

import { BUFFERED_BYTES_MAX, Wal, toLsn } from "../src/index.ts";
import {
  PATH,
  environmentOn,
  newStorage,
  openWal,
  payloadOf,
  readAll,
  walError,
} from "./fixture.ts";
import { TestKeys } from "./test-keys.ts";

test("a record comes back as it was appended", async () => {
  const storage = newStorage();
  const wal = await openWal(storage);

  const first = wal.append(7, payloadOf(1, 100));
  const start = wal.lastStart;
  wal.append(9, payloadOf(2, 10_000), 9_999);
  wal.append(3, new Uint8Array(0));
  await wal.sync();

  const records = await readAll(wal);
  expect(records.map(({ kind, payload }) => [kind, payload])).toEqual([
    [7, payloadOf(1, 100)],
    [9, payloadOf(2, 10_000).subarray(0, 9_999)],
    [3, new Uint8Array(0)],
  ]);
  expect(records[0]).toMatchObject({ start, lsn: first });
  expect(records[2]!.lsn).toBe(wal.endLsn);
  await wal.close();

  const again = await openWal(storage);
  expect(await readAll(again)).toEqual(records);
  expect(again.endLsn).toBe(wal.endLsn);
});

test("records of every length around a segment's end come back", async () => {
  for (let length = 350; length < 1400; length += 1) {
    const storage = newStorage();
    const wal = await openWal(storage, { segmentBytes: 512 });
    wal.append(1, payloadOf(1, length));
    wal.append(2, payloadOf(2, 0));
    wal.append(3, payloadOf(3, 20));
    await wal.close();
    const again = await openWal(storage, { segmentBytes: 512 });
    const records = await readAll(again);
    expect(records.map(({ payload }) => payload.length)).toEqual([length, 0, 20]);
    expect(records[0]!.payload).toEqual(payloadOf(1, length));
    for (const record of records) expect(await again.read(record.start)).toEqual(record);
  }
});

test("append copies: the caller may reuse its buffer at once", async () => {
  const wal = await openWal(newStorage());
  for (const length of [20, 200]) {
    const payload = payloadOf(1, length);
    wal.append(1, payload);
    payload.fill(0);
  }
  await wal.sync();

  const records = await readAll(wal);
  expect(records.map(({ payload }) => payload)).toEqual([payloadOf(1, 20), payloadOf(1, 200)]);
});

// REL-W19
test("REL-W19: positions near 2^31, 2^32 and 2^53 lose no bit", async () => {
  for (const startPosition of [2 ** 31 - 2000, 2 ** 32 - 2000, 2 ** 53 - 2 ** 30]) {
    const storage = newStorage();
    const wal = await openWal(storage, { startPosition });
    const lsns = [wal.endLsn as number];
    for (let index = 0; index < 60; index++) {
      lsns.push(wal.append(1, payloadOf(index, 101)));
      expect(wal.lastStart).toBeGreaterThanOrEqual(lsns.at(-2)!);
    }
    expect(new Set(lsns).size).toBe(lsns.length);
    expect(lsns.every((lsn) => Number.isSafeInteger(lsn) && lsn > startPosition)).toBe(true);
    await wal.close();

    const again = await openWal(storage, { startPosition });
    const records = await readAll(again);
    expect(records.map(({ lsn }) => lsn)).toEqual(lsns.slice(1));
    expect(records.map(({ payload }) => payload)).toEqual(
      lsns.slice(1).map((_, index) => payloadOf(index, 101)),
    );
  }
});

// REL-W19
test("REL-W19: a log whose positions would pass 2^53 refuses records instead", async () => {
  const startPosition = 2 ** 53 - 16_384;
  const wal = await openWal(newStorage(), { startPosition });
  const append = (): void => {
    for (let index = 0; index < 200; index++) wal.append(1, payloadOf(index, 101));
  };
  expect(append).toThrow(expect.objectContaining({ code: "WAL_POSITIONS_USED_UP" }));
  await wal.sync();
  expect(await readAll(wal)).not.toEqual([]);
});

test("a record larger than the limit is refused, and nothing is appended", async () => {
  const wal = await openWal(newStorage(), { maxRecordBytes: 1000 });
  const { endLsn } = wal;
  expect(() => wal.append(1, new Uint8Array(1001))).toThrow(
    expect.objectContaining({ code: "WAL_RECORD_TOO_LARGE", outcome: "none" }),
  );
  expect(wal.endLsn).toBe(endLsn);
  wal.append(1, new Uint8Array(1000));
});

test("kinds outside 1 to 255 and lengths outside the payload are bugs", async () => {
  const wal = await openWal(newStorage());
  expect(() => wal.append(0, new Uint8Array(1))).toThrow(AssertionFailure);
  expect(() => wal.append(256, new Uint8Array(1))).toThrow(AssertionFailure);
  expect(() => wal.append(1, new Uint8Array(1), 2)).toThrow(AssertionFailure);
  await expect(async () => wal.sync(wal.endLsn + 1)).rejects.toThrow(AssertionFailure);
  expect(() => toLsn(-1)).toThrow(AssertionFailure);
  expect(() => toLsn(2 ** 53)).toThrow(AssertionFailure);
});

test("options outside their ranges are bugs", async () => {
  const options = [
    { segmentBytes: 500 },
    { segmentBytes: 256 },
    { segmentBytes: 2 ** 31 },
    { maxRecordBytes: 0 },
    { maxRecordBytes: 2 ** 29 },
    { startPosition: -1 },
    { startPosition: 2 ** 53 },
    { readFrom: 0.5 },
    { spareSegments: 65 },
    { path: "" },
  ];
  for (const option of options) {
    await expect(openWal(newStorage(), option)).rejects.toThrow(AssertionFailure);
  }
});

test("all that is appended in one turn shares one group, and waits resolve in order", async () => {
  const wal = await openWal(newStorage());
  const events: string[] = [];
  wal.onDurable((lsn) => events.push(`durable ${lsn === wal.endLsn}`));
  const waits: Promise<void>[] = [];
  for (let index = 0; index < 5; index++) {
    wal.append(1, payloadOf(index, 10));
    waits.push(wal.sync().then(() => void events.push(`record ${index}`)));
  }
  expect(wal.durableLsn).toBeLessThan(wal.endLsn);
  await Promise.all(waits);

  expect(wal.stats()).toMatchObject({ groupCount: 1, recordCount: 5, bufferedBytes: 0 });
  expect(events).toEqual([
    "durable true",
    "record 0",
    "record 1",
    "record 2",
    "record 3",
    "record 4",
  ]);
  expect(wal.durableLsn).toBe(wal.endLsn);
  await wal.sync();
  expect(wal.stats().groupCount).toBe(1);
});

test("what queues during a write goes with the next one", async () => {
  const wal = await openWal(newStorage());
  wal.append(1, payloadOf(0, 10));
  const first = wal.sync();
  await new Promise((resolve) => setImmediate(resolve));
  const lsns = [1, 2, 3].map((index) => wal.append(1, payloadOf(index, 10)));
  const second = lsns.map((lsn) => wal.sync(lsn));
  await first;
  await Promise.all(second);

  expect(wal.stats().groupCount).toBeLessThanOrEqual(2);
  expect(await readAll(wal)).toHaveLength(4);
});

test("nothing is written before someone waits, but for full groups", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 16 << 20 });
  wal.append(1, payloadOf(1, 1000));
  await settle();
  expect(wal.stats().groupCount).toBe(0);
  for (let index = 0; index < 5000; index++) wal.append(1, payloadOf(index, 1000));
  await settle();
  expect(wal.stats().groupCount).toBe(1);
  expect(wal.durableLsn).toBeGreaterThan(4_000_000);
  await wal.close();
});

test("writers can wait for room, and there is room again", async () => {
  const wal = await openWal(newStorage(), { segmentBytes: 16 << 20 });
  const payload = payloadOf(1, 1 << 20);
  let waits = 0;
  for (let index = 0; index < 40; index++) {
    wal.append(1, payload);
    const room = wal.room();
    if (room === undefined) continue;
    waits++;
    expect(wal.bufferedBytes).toBeGreaterThanOrEqual(BUFFERED_BYTES_MAX);
    await room;
    expect(wal.bufferedBytes).toBeLessThan(BUFFERED_BYTES_MAX);
  }
  expect(waits).toBeGreaterThan(0);
  await wal.close();
});

test("a record larger than a group comes back", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1 << 20 });
  wal.append(1, payloadOf(1, 100));
  wal.append(2, payloadOf(2, 9 << 20));
  const start = wal.lastStart;
  wal.append(3, payloadOf(3, 100));
  const large = payloadOf(2, 9 << 20);
  expect(compareBytes((await wal.read(start)).payload, large)).toBe(0);
  await wal.sync();
  expect(compareBytes((await wal.read(start)).payload, large)).toBe(0);
  await wal.close();
  const again = await openWal(storage, { segmentBytes: 1 << 20 });
  const records = await readAll(again);
  expect(records.map(({ kind, payload }) => [kind, payload.length])).toEqual([
    [1, 100],
    [2, 9 << 20],
    [3, 100],
  ]);
});

test("a record can be read by its start, before it is durable and after", async () => {
  const wal = await openWal(newStorage(), { segmentBytes: 1024 });
  const starts: number[] = [];
  for (let index = 0; index < 30; index++) {
    wal.append(1 + index, payloadOf(index, 20 + 97 * (index % 20)));
    starts.push(wal.lastStart);
    if (index === 10) await wal.sync();
  }
  const check = async (): Promise<void> => {
    for (const [index, start] of starts.entries()) {
      const record = await wal.read(start);
      expect(record).toMatchObject({ kind: 1 + index, start });
      expect(record.payload).toEqual(payloadOf(index, 20 + 97 * (index % 20)));
    }
  };
  await check();
  await wal.sync();
  await check();
  await expect(wal.read(starts[3]! + 1)).rejects.toEqual(walError("WAL_DAMAGED"));
});

test("a reader ends at the durable end, and goes on when it has moved", async () => {
  const wal = await openWal(newStorage());
  const reader = wal.scan();
  expect(await reader.nextBatch()).toBeUndefined();
  wal.append(1, payloadOf(1, 100));
  expect(await reader.next()).toBeUndefined();
  await wal.sync();
  expect(await reader.next()).toMatchObject({ kind: 1, payload: payloadOf(1, 100) });
  expect(reader.position).toBe(wal.endLsn);
  wal.append(2, payloadOf(2, 9000));
  await wal.sync();
  expect(await reader.next()).toMatchObject({ kind: 2, payload: payloadOf(2, 9000) });
  expect(await reader.next()).toBeUndefined();
});

test("a scan may begin at the start or the end of any record", async () => {
  const wal = await openWal(newStorage(), { segmentBytes: 512 });
  for (let index = 0; index < 20; index++) wal.append(1, payloadOf(index, 60 + index * 23));
  await wal.sync();
  const records = await readAll(wal);
  for (const [at, { start, lsn }] of records.entries()) {
    expect(await readAll(wal, start)).toEqual(records.slice(at));
    expect(await readAll(wal, lsn)).toEqual(records.slice(at + 1));
  }
});

test("a closed log refuses everything, and close makes all durable", async () => {
  const storage = newStorage();
  const wal = await openWal(storage);
  wal.append(1, payloadOf(1, 100));
  const closing = wal.close();
  expect(() => wal.append(1, payloadOf(1, 10))).toThrow(
    expect.objectContaining({ code: "WAL_CLOSED" }),
  );
  await closing;
  await wal.close();
  expect(() => wal.scan()).toThrow(expect.objectContaining({ code: "WAL_CLOSED" }));
  await expect(wal.read(64)).rejects.toEqual(walError("WAL_CLOSED"));
  await expect(wal.truncateBefore(64)).rejects.toEqual(walError("WAL_CLOSED"));
  await expect(wal.truncateAfter(64)).rejects.toEqual(walError("WAL_CLOSED"));
  await wal.sync();
  {
    await using again = await openWal(storage.worstCase());
    expect(await readAll(again)).toHaveLength(1);
  }
});

test("the next segment is ready before the log needs it", async () => {
  const storage = newStorage();
  const calls: DiskCall[] = [];
  const onCall = (call: DiskCall): undefined => void calls.push(call);
  const wal = await openWal(storage, { segmentBytes: 4096 }, { onCall });
  wal.append(1, payloadOf(0, 10));
  await wal.sync();
  await settle();
  expect(wal.stats().segmentCount).toBe(1);
  wal.append(1, payloadOf(0, 2000));
  await wal.sync();
  await settle();
  expect(wal.stats().segmentCount).toBe(2);
  calls.length = 0;
  wal.append(1, payloadOf(1, 2090));
  await wal.sync();
  const order = calls.map(({ operation }) => operation);
  expect(order.indexOf("allocate")).not.toBe(0);
  expect(order.slice(0, 2)).toEqual(["writeDurableAt", "writeDurableAt"]);
});

/** A disk that says it is full as long as `isFull` answers so. */
test("small groups, many of them, when a run asks for it", async () => {
  const storage = newStorage();
  const hooks = { buggify: (site: string) => site === "wal.small-groups" };
  const wal = await openWal(storage, { segmentBytes: 1024 }, { hooks });
  for (let index = 0; index < 50; index++) wal.append(1, payloadOf(index, 30 + 40 * (index % 30)));
  await wal.close();
  expect(wal.stats().groupCount).toBeGreaterThan(20);
  expect(await readAll(await openWal(storage, { segmentBytes: 1024 }))).toHaveLength(50);
});

test("an existing log keeps its segment length", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  wal.append(1, payloadOf(1, 3000));
  await wal.close();
  const again = await Wal.open(environmentOn(storage), { path: PATH, segmentBytes: 8192 });
  expect(again.stats().segmentBytes).toBe(1024);
  expect(await readAll(again)).toHaveLength(1);
});

/** Lets everything under way come to rest. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("where a record will end is known before it is written, over segments too", async () => {
  for (const sealed of [false, true]) {
    const keys = sealed ? { keys: new TestKeys() } : {};
    const wal = await openWal(newStorage(), { segmentBytes: 1024, ...keys });
    for (let length = 0; length < 2500; length += 97) {
      const expected = wal.endOfNext(wal.endLsn, length);
      expect(wal.append(1, payloadOf(length, length))).toBe(expected);
    }
    await wal.close();
  }
});
