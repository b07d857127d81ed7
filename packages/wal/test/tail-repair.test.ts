import { createRandom, noTestHooks } from "@kvs/env";
import { type DiskCall, type DiskVerdict } from "@kvs/sim";
import { expect, test } from "vitest";

import { checkWal } from "../src/index.ts";
import { findTail } from "../src/tail-repair.ts";
import {
  PATH,
  environmentOn,
  newStorage,
  openWal,
  payloadOf,
  readAll,
  walError,
} from "./fixture.ts";
import { MemoryLog } from "./memory-log.ts";

const FIRST = "log/00000000000000000000.wal";
const SMALL_SEGMENTS = { segmentBytes: 1024 };

test("headers that stay behind a cut do not pass for damage after the next crash", async () => {
  const storage = newStorage();
  const first = await openWal(storage, SMALL_SEGMENTS);
  const kept = first.append(1, payloadOf(0, 100));
  await first.sync();
  first.append(2, payloadOf(1, 2500));
  await first.close();
  // Of a record over three segments the last fragment is lost; two segments have begun.
  storage.overwrite("log/00000000000000002048.wal", 64, new Uint8Array(500));

  const second = await openWal(storage, SMALL_SEGMENTS);
  expect(second.endLsn).toBe(kept);
  second.append(3, payloadOf(2, 100));
  await second.close();
  // The first group behind the cut is lost, as if its write had been torn.
  storage.overwrite(FIRST, kept, new Uint8Array(200));

  const third = await openWal(storage, SMALL_SEGMENTS);
  expect((await readAll(third)).map(({ kind }) => kind)).toEqual([1]);
});

test("damage of what a later group proves is refused, whatever stands between", async () => {
  for (const filler of [0, 0xff, 1]) {
    const storage = newStorage();
    const wal = await openWal(storage, SMALL_SEGMENTS);
    const starts: number[] = [];
    for (let index = 0; index < 8; index++) {
      wal.append(1, payloadOf(index, 50));
      starts.push(wal.lastStart);
      await wal.sync();
    }
    storage.overwrite(FIRST, starts[1]!, new Uint8Array(starts[6]! - starts[1]!).fill(filler));
    await expect(openWal(storage, SMALL_SEGMENTS)).rejects.toMatchObject({
      code: "WAL_DAMAGED",
      details: { offset: starts[1], position: starts[1] },
    });
  }
});

test("bytes in a payload that look like a fragment of another log prove nothing", async () => {
  const log = new MemoryLog({ segmentBytes: 4096 });
  log.buffer.append(1, payloadOf(0, 100), 0, 100);
  log.flush();
  // Another log, whose bytes a torn record carries as its payload, at their own positions.
  const other = new MemoryLog({ segmentBytes: 4096, logId: Uint8Array.of(8, 7, 6, 5, 4, 3, 2, 1) });
  for (let index = 0; index < 10; index++) {
    other.buffer.append(1, payloadOf(index, 100), 0, 100);
    other.flush();
  }
  const bytes = log.segments.get(0)!;
  bytes.set(other.segments.get(0)!.subarray(500, 1400), 500);

  const tail = await findTail(log, noTestHooks);
  expect(tail).toMatchObject({ lsn: 196, epoch: 2, isTorn: false });
  // The same bytes of the same log would be proof.
  const same = new MemoryLog({ segmentBytes: 4096 });
  for (let index = 0; index < 10; index++) {
    same.buffer.append(1, payloadOf(index, 100), 0, 100);
    same.flush();
  }
  bytes.set(same.segments.get(0)!.subarray(500, 1400), 500);
  await expect(findTail(log, noTestHooks)).rejects.toEqual(walError("WAL_DAMAGED"));
});

test("a full disk keeps no log from opening, and what is read there is durable", async () => {
  const storage = newStorage();
  const wal = await openWal(storage, SMALL_SEGMENTS);
  wal.append(1, payloadOf(0, 100));
  await wal.sync();
  const onCall = ({ operation, path }: DiskCall): DiskVerdict | undefined =>
    operation === "open" && path.endsWith("repair.new")
      ? { type: "error", code: "DISK_FULL" }
      : undefined;
  storage.processDied();

  const again = await openWal(storage, SMALL_SEGMENTS, { onCall });
  expect(await readAll(again)).toHaveLength(1);
  expect(await readAll(await openWal(storage.worstCase(), SMALL_SEGMENTS))).toHaveLength(1);
});

test("without space for the intent, what the system holds is synced at least", async () => {
  const random = createRandom(4);
  let survivors = 0;
  for (let round = 0; round < 30; round++) {
    const storage = newStorage(random.nextUint32());
    let halts = false;
    const halt = ({ operation }: DiskCall): DiskVerdict | undefined =>
      halts && operation === "writeDurableAt" ? { type: "halt" } : undefined;
    const wal = await openWal(storage, SMALL_SEGMENTS, { onCall: halt });
    halts = true;
    for (let index = 0; index < 6; index++) wal.append(1, payloadOf(index, 60));
    void wal.sync().catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    storage.processDied();
    const full = ({ path }: DiskCall): DiskVerdict | undefined =>
      path.endsWith("repair.new") ? { type: "error", code: "DISK_FULL" } : undefined;
    const again = await openWal(storage, SMALL_SEGMENTS, { onCall: full });
    const found = await readAll(again);
    if (found.length > 0) survivors++;
    expect(await readAll(await openWal(storage.worstCase(), SMALL_SEGMENTS))).toEqual(found);
  }
  expect(survivors).toBeGreaterThan(3);
});

test("leftovers of interrupted work are removed at open", async () => {
  const storage = newStorage();
  await (await openWal(storage)).close();
  storage.writeFile("log/segment.new", new Uint8Array(10_000));
  storage.writeFile("log/repair.new", new Uint8Array(10));
  storage.writeFile("log/notes.txt", new Uint8Array(10));
  const wal = await openWal(storage);
  expect(storage.files().map((path) => path.slice(4))).toEqual([
    "00000000000000000000.wal",
    "notes.txt",
  ]);
  wal.append(1, payloadOf(1, 9000));
  await wal.close();
  expect(await checkWal(environmentOn(storage), PATH)).toMatchObject({ state: "clean" });
});
