import { encodeKey } from "@kvs/codec";
import { type HostedDatabase, type RawBatch, type RawRange } from "@kvs/protocol";
import { expect, test } from "vitest";
import { newStorage, withDatabase } from "./fixture.ts";

const ALL: RawRange = {
  from: undefined,
  to: undefined,
  isReverse: false,
  isKeysOnly: false,
  limit: undefined,
};

async function fill(database: HostedDatabase, count: number): Promise<void> {
  await database.batchRaw(
    Array.from({ length: count }, (_, key) => ({
      type: "put",
      key: encodeKey(key),
      value: new Uint8Array(10).fill(key),
      ttlMs: undefined,
    })),
  );
}

test("steps give as many entries as asked for, and say when there are no more", async () => {
  await withDatabase(newStorage(), async (database) => {
    await fill(database, 100);
    for (const size of [1, 7, 8, 9, 33, 100, 1000]) {
      const walk = database.scanRaw(ALL);
      const keys: number[][] = [];
      for (let batch: RawBatch | undefined; batch?.isEnd !== true;) {
        batch = await walk.next(size, 1 << 20);
        expect(batch.entries.length).toBeLessThanOrEqual(size);
        keys.push(...batch.entries.map(({ key }) => [...key]));
      }
      walk.close();
      expect(keys).toEqual(Array.from({ length: 100 }, (_, key) => [...encodeKey(key)]));
    }
    expect((await database.stats()).openCursors).toBe(0);
  });
});

test("a step ends with the entry that reaches the bytes, and the limit ends the walk", async () => {
  await withDatabase(newStorage(), async (database) => {
    await fill(database, 50);
    const walk = database.scanRaw({ ...ALL, limit: 11 });
    expect((await walk.next(100, 1)).entries).toHaveLength(1);
    expect((await walk.next(100, 40)).entries).toHaveLength(3);
    const last = await walk.next(100, 1 << 20);
    expect([last.entries.length, last.isEnd]).toEqual([7, true]);
    walk.close();
    const none = database.scanRaw({ ...ALL, limit: 0 });
    expect(await none.next(10, 10)).toEqual({ entries: [], isEnd: true });
    none.close();
  });
});

test("a walk that is closed gives no more and holds nothing, whenever it is closed", async () => {
  await withDatabase(newStorage(), async (database) => {
    await fill(database, 50);
    database.scanRaw(ALL).close();
    const walk = database.scanRaw(ALL);
    await walk.next(5, 1 << 20);
    walk.close();
    expect(await walk.next(5, 1 << 20)).toEqual({ entries: [], isEnd: true });
    const busy = database.scanRaw(ALL);
    const step = busy.next(50, 1 << 20);
    busy.close();
    await step;
    await database.kv.put("turn", 1);
    expect((await database.stats()).openCursors).toBe(0);
  });
});

test("a walk over nothing ends at once", async () => {
  await withDatabase(newStorage(), async (database) => {
    expect(await database.scanRaw(ALL).next(5, 5)).toEqual({ entries: [], isEnd: true });
  });
});

test("reads of bytes that are no key find nothing", async () => {
  await withDatabase(newStorage(), async (database) => {
    await fill(database, 5);
    for (const key of [Uint8Array.of(), Uint8Array.of(255), new Uint8Array(1024)]) {
      expect(await database.getRaw(key)).toBeUndefined();
      expect(await database.deleteRaw(key, { ifVersion: undefined })).toBe(false);
    }
    const odd = database.scanRaw({
      ...ALL,
      from: new Uint8Array(3000).fill(0x30),
      to: Uint8Array.of(255),
    });
    expect((await odd.next(50, 1 << 20)).isEnd).toBe(true);
    odd.close();
  });
});
