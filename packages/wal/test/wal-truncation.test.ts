import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";

import { newStorage, openWal, payloadOf, readAll, walError } from "./fixture.ts";

test("truncateBefore drops whole segments, recycles some, and readers are told", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024, spareSegments: 2 });
  for (let index = 0; index < 40; index++) wal.append(1, payloadOf(index, 300));
  await wal.sync();
  const all = await readAll(wal);
  const reader = wal.scan();
  await reader.next();
  const before = wal.stats().segmentCount;
  const middle = all[20]!;
  await wal.truncateBefore(middle.start);

  expect(wal.headPosition).toBeLessThanOrEqual(middle.start);
  expect(wal.headPosition).toBeGreaterThan(middle.start - 2 * 1024);
  expect(wal.stats().segmentCount).toBeLessThan(before);
  const kept = await readAll(wal);
  expect(kept).toEqual(all.slice(all.length - kept.length));
  expect(kept.length).toBeGreaterThanOrEqual(20);
  await expect(wal.read(all[0]!.start)).rejects.toEqual(walError("WAL_TRUNCATED"));
  await expect(
    (async () => {
      while ((await reader.nextBatch()) !== undefined);
    })(),
  ).rejects.toEqual(walError("WAL_TRUNCATED"));
  await wal.truncateBefore(wal.durableLsn);
  await wal.close();
  const again = await openWal(storage, { segmentBytes: 1024 });
  expect(again.endLsn).toBe(wal.endLsn);
  expect(again.headPosition).toBe(wal.headPosition);
});

test("a log whose head begins in the middle of a record reads from the next one", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024, spareSegments: 0 });
  wal.append(1, payloadOf(1, 5000));
  wal.append(2, payloadOf(2, 100));
  await wal.sync();
  await wal.truncateBefore(wal.durableLsn);
  expect(wal.stats().segmentCount).toBeLessThanOrEqual(2);
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([2]);
  await wal.close();

  const again = await openWal(storage, { segmentBytes: 1024 });
  expect((await readAll(again)).map(({ kind }) => kind)).toEqual([2]);
});

test("truncateAfter cuts what is durable and what is buffered, for good", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, { segmentBytes: 1024 });
  const lsns = [1, 2, 3, 4, 5].map((index) => wal.append(index, payloadOf(index, 700)));
  await wal.sync(lsns[2]);
  await wal.sync();
  const buffered = wal.append(6, payloadOf(6, 700));
  wal.append(7, payloadOf(7, 700));
  const { epoch } = wal.stats();
  await wal.truncateAfter(buffered);
  expect(wal.endLsn).toBe(buffered);
  expect((await wal.read(lsns[4]!)).kind).toBe(6);
  await wal.sync();
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([1, 2, 3, 4, 5, 6]);

  const lost = wal.append(8, payloadOf(8, 10));
  const waiting = wal.sync(lost);
  const cutting = wal.truncateAfter(lsns[1]!);
  expect(() => wal.append(9, payloadOf(9, 10))).toThrow(AssertionFailure);
  await Promise.allSettled([waiting]);
  await cutting;
  expect(wal.endLsn).toBe(lsns[1]);
  expect(wal.durableLsn).toBe(lsns[1]);
  expect(wal.stats().epoch).toBeGreaterThan(epoch + 1);
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([1, 2]);
  wal.append(10, payloadOf(10, 700));
  await wal.close();

  const again = await openWal(storage, { segmentBytes: 1024 });
  expect((await readAll(again)).map(({ kind }) => kind)).toEqual([1, 2, 10]);
});

test("who waits for a record that is cut off is told so", async () => {
  const wal = await openWal(newStorage());
  const kept = wal.append(1, payloadOf(1, 100));
  const lost = wal.append(2, payloadOf(2, 100));
  const waiting = wal.sync(lost);
  const waitingForLess = wal.sync(kept);
  const cutting = wal.truncateAfter(kept);
  await expect(waiting).rejects.toMatchObject({ code: "WAL_DISCARDED", outcome: "none" });
  await cutting;
  await waitingForLess;
  await wal.sync();
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([1]);
});

test("an empty log can be cut to nothing, and a cut inside a record is a bug", async () => {
  const wal = await openWal(newStorage());
  const origin = wal.endLsn;
  wal.append(1, payloadOf(1, 100));
  await wal.sync();
  await wal.truncateAfter(origin);
  expect(wal.endLsn).toBe(origin);
  wal.append(2, payloadOf(2, 100));
  await wal.sync();
  expect((await readAll(wal)).map(({ kind }) => kind)).toEqual([2]);
  await expect(wal.truncateAfter(origin + 50)).rejects.toThrow(AssertionFailure);
});
