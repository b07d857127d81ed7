import { type Clock } from "@kvs/env";
import { type DiskCall } from "@kvs/sim";
import { expect, test } from "vitest";

import { GroupPace } from "../src/group-pace.ts";
import { newStorage, openWal, payloadOf, readAll } from "./fixture.ts";

/** A clock that a test moves. */
function handClock(): { clock: Clock; move: (ms: number) => void } {
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs } as Clock;
  return { clock, move: (ms) => void (nowMs += ms) };
}

/** Rounds of 100 bytes each: the disk takes `diskMs`, computing them `turnMs`. */
function paceAfter(diskMs: number, turnMs: number): GroupPace {
  const { clock, move } = handClock();
  const pace = new GroupPace(clock, false);
  for (let round = 1; round <= 100; round++) {
    pace.noteStart();
    move(diskMs);
    pace.noteWritten(round * 100, 100, 0);
    move(turnMs);
    pace.noteTurn((round + 1) * 100);
  }
  return pace;
}

test("where computing a round takes longer than the disk, half a round goes to the disk at once", () => {
  expect(paceAfter(0.2, 0.5).earlyLsn).toBe(100 * 100 + 50);
});

test("where the disk takes longer, one group takes a whole round", () => {
  expect(paceAfter(0.5, 0.2).earlyLsn).toBe(Infinity);
  expect(paceAfter(0.5, 0).earlyLsn).toBe(Infinity);
});

test("a round is what was answered and what waits behind it", () => {
  const pace = new GroupPace(handClock().clock, true);
  pace.noteStart();
  pace.noteWritten(1000, 60, 100);
  expect(pace.earlyLsn).toBe(1080); // what waits is enough: it is written at once
});

test("time in which nothing was appended says nothing about computing", () => {
  const { clock, move } = handClock();
  const pace = new GroupPace(clock, false);
  for (let round = 1; round <= 100; round++) {
    pace.noteStart();
    move(0.5);
    pace.noteWritten(round * 100, 100, 0);
    move(1000); // those who were answered are busy elsewhere
    pace.noteTurn(round * 100);
  }
  expect(pace.earlyLsn).toBe(Infinity);
});

test("groups that are written early, in the middle of a turn, hold every record once", async () => {
  const storage = newStorage();
  const writes: number[] = [];
  const wal = await openWal(
    storage,
    {},
    {
      hooks: { buggify: (site) => site === "wal.early-groups" },
      onCall: ({ operation, position }: DiskCall) => {
        if (operation === "writeDurableAt") writes.push(position!);
        return undefined;
      },
    },
  );
  const put = (index: number): void => {
    wal.append(1, payloadOf(index, 100));
    wal.syncEarly();
  };
  for (let index = 0; index < 8; index++) put(index);
  await wal.sync();
  const before = writes.length;
  for (let index = 8; index < 16; index++) put(index);
  expect(writes.length).toBe(before + 1); // half of a turn's records, within the turn
  const synced = wal.sync();
  wal.syncEarly(true);
  await synced;
  expect(wal.durableLsn).toBe(wal.endLsn);
  expect(writes.length).toBe(before + 2);
  const records = await readAll(wal);
  expect(records.map(({ payload }) => payload)).toEqual(
    Array.from({ length: 16 }, (_, index) => payloadOf(index, 100)),
  );
  await wal.close();
  expect(await readAll(await openWal(storage))).toEqual(records);
});

test("the end of a turn begins a write without another turn", async () => {
  const calls: string[] = [];
  const wal = await openWal(
    newStorage(),
    {},
    {
      onCall: ({ operation }: DiskCall) => {
        calls.push(operation);
        return undefined;
      },
    },
  );
  wal.append(1, payloadOf(1, 100));
  calls.length = 0;
  const synced = wal.sync();
  expect(calls).toEqual([]);
  wal.syncEarly(true);
  expect(calls).toEqual(["writeDurableAt"]);
  await synced;
});
