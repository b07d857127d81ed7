import { expect, test } from "vitest";

import { newStorage, openWal, payloadOf, readAll } from "./fixture.ts";

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
