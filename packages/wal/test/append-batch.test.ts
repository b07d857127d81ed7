import { AssertionFailure, createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { type RecordBatch, type Wal, type WalOptions } from "../src/index.ts";
import { newStorage, openWal, payloadOf, readAll } from "./fixture.ts";
import { TestKeys } from "./test-keys.ts";

/** Encodes payloads of these lengths into one buffer. */
function batchOf(
  lengths: readonly number[],
): RecordBatch & { starts: Float64Array; lsns: Float64Array } {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const bytes = new Uint8Array(total + 10);
  const ends = new Uint32Array(lengths.length + 3);
  const kinds = new Uint8Array(lengths.length + 3);
  let to = 0;
  for (const [at, length] of lengths.entries()) {
    bytes.set(payloadOf(at, length), to);
    to += length;
    ends[at] = to;
    kinds[at] = 1 + (at % 255);
  }
  const starts = new Float64Array(lengths.length);
  return {
    count: lengths.length,
    bytes,
    ends,
    kinds,
    starts,
    lsns: new Float64Array(lengths.length),
  };
}

const SETTINGS: readonly Partial<WalOptions>[] = [
  {},
  { keys: new TestKeys() },
  { compression: { compressor: "fast", fromBytes: 10 }, keys: new TestKeys() },
];

test("a batch reads as its records would, had they been appended one by one", async () => {
  const random = createRandom(3);
  for (const options of SETTINGS) {
    const lengths = Array.from({ length: 200 }, () =>
      random.below(random.chance(0.05) ? 9000 : 90),
    );
    const single = await openWal(newStorage(), options);
    const batched = await openWal(newStorage(), options);
    for (const [at, length] of lengths.entries()) single.append(1 + at, payloadOf(at, length));
    const batch = batchOf(lengths);
    expect(batched.appendBatch(batch)).toBe(single.endLsn);
    expect(batched.lastStart).toBe(single.lastStart);
    await single.sync();
    await batched.sync();
    const records = await readAll(batched);
    expect(records).toEqual(await readAll(single));
    expect([...batch.starts]).toEqual(records.map(({ start }) => start));
    expect([...batch.lsns]).toEqual(records.map(({ lsn }) => lsn));
    await single.close();
    await batched.close();
  }
});

test("a batch that fills groups is written while it is appended", async () => {
  const wal = await openWal(newStorage(), { segmentBytes: 1 << 20 });
  wal.appendBatch(batchOf(Array.from({ length: 10 }, () => 1 << 20)));
  await wal.sync();
  expect(wal.stats().groupCount).toBeGreaterThan(1);
});

test("of a batch that cannot be appended as a whole nothing is", async () => {
  const keys = new TestKeys();
  const wal = await openWal(newStorage(), { keys, maxRecordBytes: 1000 });
  const { endLsn } = wal;
  const nothing = (log: Wal): void => expect(log.endLsn).toBe(endLsn);
  const code = (name: string): Error =>
    expect.objectContaining({ code: name, outcome: "none" }) as Error;
  expect(wal.appendBatch(batchOf([]))).toBe(endLsn);
  expect(() => wal.appendBatch(batchOf([10, 1001, 10]))).toThrow(code("WAL_RECORD_TOO_LARGE"));
  nothing(wal);
  keys.destroyed.add(1);
  expect(() => wal.appendBatch(batchOf([10, 10]))).toThrow(code("WAL_KEY_UNKNOWN"));
  nothing(wal);
  keys.destroyed.clear();
  const wrong: readonly Partial<RecordBatch>[] = [
    { kinds: new Uint8Array(3) },
    { kinds: new Uint8Array(2) },
    { ends: Uint32Array.of(10, 5, 20) },
    { ends: Uint32Array.of(10, 20, 5000) },
    { starts: new Float64Array(2) },
    { lsns: new Float64Array(2) },
  ];
  for (const fields of wrong) {
    expect(() => wal.appendBatch({ ...batchOf([10, 10, 10]), ...fields })).toThrow(
      AssertionFailure,
    );
    nothing(wal);
  }
  await wal.close();
  expect(() => wal.appendBatch(batchOf([10]))).toThrow(code("WAL_CLOSED"));
});

test("a batch beyond the last position is refused as a whole", async () => {
  const segmentBytes = 4096;
  const startPosition = Number.MAX_SAFE_INTEGER - 20 * segmentBytes;
  const wal = await openWal(newStorage(), { segmentBytes, startPosition });
  const { endLsn } = wal;
  expect(() => wal.appendBatch(batchOf(Array.from({ length: 100 }, () => 1000)))).toThrow(
    expect.objectContaining({ code: "WAL_POSITIONS_USED_UP" }) as Error,
  );
  expect(wal.endLsn).toBe(endLsn);
});
