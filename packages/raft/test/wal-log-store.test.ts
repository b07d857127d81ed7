import { isKvsError } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type EntryBatch, lastIndexOf, packPayloads } from "../src/core/entry.ts";
import { entriesOf } from "../src/conformance/log-model.ts";
import { LogReader } from "../src/conformance/log-store-conformance.ts";
import { type WalLogStore } from "../src/wal/wal-log-store.ts";
import { newStorage, openStore } from "./wal-fixture.ts";

const FOUNDERS = { incoming: [1, 2, 3] };
const NOTHING = { hardState: undefined, newBase: undefined, cutFrom: 0, entries: [] } as const;
const VOTED = { term: 1, votedFor: 2, commitIndex: 0 };

/** Commands of 100 bytes each that tell their index. */
function commands(firstIndex: number, count: number, term = 1): EntryBatch {
  const payloads = Array.from({ length: count }, (_, at) =>
    new Uint8Array(100).fill((firstIndex + at) & 255),
  );
  return { kind: "command", term, firstIndex, ...packPayloads(payloads) };
}

/** Two groups whose entries take turns in the log, over many segments. */
async function writeTwoGroups(storage: SimStorage): Promise<void> {
  const store = await openStore(storage);
  const logs = [await store.group(1, FOUNDERS), await store.group(2, FOUNDERS)];
  for (const log of logs) log.write({ ...NOTHING, hardState: VOTED });
  for (let index = 1; index <= 40; index += 2) {
    for (const log of logs) log.write({ ...NOTHING, entries: [commands(index, 2)] });
  }
  await logs[0]!.sync();
  await store.close();
}

/** Changes bytes of the payload of one entry, wherever they stand. Returns whether any were found. */
function damagePayload(storage: SimStorage, index: number, nth: number): boolean {
  const needle = new Uint8Array(40).fill(index);
  let seen = 0;
  for (const path of storage.files()) {
    const bytes = storage.readFile(path);
    for (let at = 0; at + needle.length <= bytes.length; at++) {
      if (bytes[at] !== index || !needle.every((byte, offset) => bytes[at + offset] === byte))
        continue;
      seen++;
      if (seen === nth) {
        storage.overwrite(path, at, Uint8Array.of(0xff, 0xfe));
        return true;
      }
      at += 100;
    }
  }
  return false;
}

// REL-R25
test("REL-R25: a damaged payload in the middle is known to have existed, and other groups are whole", async () => {
  const storage = newStorage();
  await writeTwoGroups(storage);
  expect(damagePayload(storage, 5, 1)).toBe(true);

  const store = await openStore(storage);
  const damaged = (await store.group(1)).image();
  const whole = await store.group(2);

  expect(damaged.damaged).toEqual([{ from: 5, to: 6 }]);
  expect(damaged.lastIndex).toBe(40);
  expect(damaged.hardState).toEqual(VOTED);
  expect(whole.image().damaged).toEqual([]);
  expect(await new LogReader(whole).readAll(1, 40)).toHaveLength(40);
});

test("damage that ended the log in silence would be noticed", async () => {
  const storage = newStorage();
  await writeTwoGroups(storage);
  damagePayload(storage, 5, 1);

  const store = await openStore(storage, {}, { mutant: "raft.log.damage-ends-log" });
  const { lastIndex } = (await store.group(1)).image();

  expect(lastIndex).toBeLessThan(40); // forty entries were acknowledged
});

// REL-R25
test("entries that were fetched again are sound, also after a restart, and keep being needed", async () => {
  const storage = newStorage();
  await writeTwoGroups(storage);
  for (const index of [5, 11]) expect(damagePayload(storage, index, 1)).toBe(true);
  let store = await openStore(storage);
  let log = await store.group(1);
  expect(log.image().damaged).toEqual([
    { from: 5, to: 6 },
    { from: 11, to: 12 },
  ]);

  log.write({ ...NOTHING, repairs: [commands(5, 2), commands(12, 1)] });
  await log.sync();
  await store.prune();
  expect(log.image().damaged).toEqual([{ from: 11, to: 11 }]);
  await store.close();
  store = await openStore(storage);
  log = await store.group(1);

  expect(log.image().damaged).toEqual([{ from: 11, to: 11 }]);
  const reader = new LogReader(log);
  const read = [...(await reader.readAll(1, 10)), ...(await reader.readAll(12, 40))];
  expect(read).toEqual([...entriesOf([commands(1, 10)]), ...entriesOf([commands(12, 29)])]);
});

test("a damaged record that tells no group fails the whole log, by name", async () => {
  const storage = newStorage();
  const store = await openStore(storage);
  const log = await store.group(1, FOUNDERS);
  for (let term = 1; term < 400; term++) {
    log.write({ ...NOTHING, hardState: { term, votedFor: 77, commitIndex: 0 } });
  }
  await log.sync();
  await store.close();
  const [path] = storage.files().toSorted();
  storage.overwrite(path!, 1000, new Uint8Array(40).fill(0xaa));

  const error = await openStore(storage).catch((thrown: unknown) => thrown);

  expect(isKvsError(error, "WAL_DAMAGED", "RAFT_LOG_DAMAGED")).toBe(true);
});

test("an idle group does not keep the log of a busy one from being pruned", async () => {
  const storage = newStorage();
  let store = await openStore(storage);
  const idle = await store.group(1, FOUNDERS);
  const busy = await store.group(2, FOUNDERS);
  idle.write({ ...NOTHING, hardState: { term: 9, votedFor: 3, commitIndex: 0 } });
  for (let index = 1; index <= 400; index += 10) {
    const point = { index: index + 8, term: 1, configuration: busy.image().base.configuration };
    busy.write({ ...NOTHING, hardState: VOTED, entries: [commands(index, 10)] });
    await busy.sync();
    busy.write({ ...NOTHING, newBase: { point, keepsSuffix: true } });
    await store.prune();
  }

  const { head, end } = store.extent;
  expect(head).toBeGreaterThan(30_000);
  expect(end - head).toBeLessThan(4 * 4096);
  await store.close();
  store = await openStore(storage);
  expect((await store.group(1)).image().hardState).toEqual({
    term: 9,
    votedFor: 3,
    commitIndex: 0,
  });
  expect((await store.group(2)).image().base.index).toBe(399);
});

test("a group that was dropped is gone for good, and its entries pin nothing", async () => {
  const storage = newStorage();
  await writeTwoGroups(storage);
  let store = await openStore(storage);
  await store.drop(1);
  await store.close();

  store = await openStore(storage);
  expect(store.groups()).toEqual([2]);
  const again = await store.group(1, { incoming: [4] });
  expect(again.image().lastIndex).toBe(0);
  await store.close();
  store = await openStore(storage);
  expect(store.groups()).toEqual([1, 2]);
  expect((await store.group(1)).image().base.configuration.incoming).toEqual([4]);
});

test("entries beyond the read cache are loaded again and again, a bounded number at a time", async () => {
  const storage = newStorage();
  await writeTwoGroups(storage);
  const store = await openStore(storage, { readCacheBytes: 500 });
  const reader = new LogReader(await store.group(2));

  for (let round = 0; round < 3; round++) {
    for (const from of [1, 20, 7]) {
      const [batch] = await reader.read(from, 40, 2000);
      expect(batch!.firstIndex).toBe(from);
      expect(lastIndexOf(batch!)).toBeGreaterThanOrEqual(from);
    }
  }
});

test("all groups' writes of one turn share a sync", async () => {
  const storage = newStorage();
  const store = await openStore(storage, { segmentBytes: 1 << 20 });
  const logs = await openGroups(store, 50);
  const before = storage.stats.calls;

  for (const log of logs) log.write({ ...NOTHING, hardState: VOTED, entries: [commands(1, 3)] });
  await Promise.all(logs.map((log) => log.sync()));

  expect(storage.stats.calls - before).toBeLessThanOrEqual(2);
});

async function openGroups(store: WalLogStore, count: number) {
  return await Promise.all(Array.from({ length: count }, (_, at) => store.group(at + 1, FOUNDERS)));
}

test("a log that was closed refuses by name", async () => {
  const store = await openStore(newStorage());
  await store.close();

  await expect(store.group(1)).rejects.toThrow("RAFT_LOG_CLOSED");
  await expect(store.prune()).rejects.toThrow("RAFT_LOG_CLOSED");
});
