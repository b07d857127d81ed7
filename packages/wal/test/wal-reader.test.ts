import { crc32 } from "@kvs/codec";
import { expect, test } from "vitest";

import { newStorage, openWal, payloadOf, readAll, walError } from "./fixture.ts";
import { TestKeys } from "./test-keys.ts";

const FIRST = "log/00000000000000000000.wal";
const FRAGMENT = 64;
const FLAGS_OFFSET: number = FRAGMENT + 13;
const FIRST_FLAG = 1;

test("a sealed record cannot be hidden by making it look like the rest of a dropped one", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const wal = await openWal(storage, { keys });
  wal.append(1, payloadOf(1, 60));
  wal.append(1, payloadOf(2, 60));
  await wal.close();
  const bytes = storage.readFile(FIRST);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  bytes[FLAGS_OFFSET]! &= ~FIRST_FLAG;
  const end = FRAGMENT + 32 + view.getUint32(FRAGMENT + 4, true);
  const seed = crc32(bytes.subarray(16, 24));
  view.setUint32(FRAGMENT, crc32(bytes.subarray(FRAGMENT + 4, end), seed), true);
  storage.writeFile(FIRST, bytes);

  const forged = await openWal(storage, { keys, sealedFrom: 0 });

  await expect(readAll(forged)).rejects.toEqual(walError("WAL_NOT_AUTHENTIC"));
});

test("a sealed log whose head continues a dropped record reads from the next one", async () => {
  const storage = newStorage();
  const keys = new TestKeys();
  const wal = await openWal(storage, { keys, segmentBytes: 1024 });
  wal.append(1, payloadOf(1, 1500));
  const lsn = wal.append(1, payloadOf(2, 60));
  await wal.sync();
  await wal.truncateBefore(1024);

  const records = await readAll(wal);

  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({ lsn, payload: payloadOf(2, 60) });
});
