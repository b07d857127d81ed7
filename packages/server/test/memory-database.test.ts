import { type Key } from "@kvs/codec";
import { type KeyRangeOptions } from "@kvs/protocol";
import { Simulation } from "@kvs/sim";
import { expect, test } from "vitest";
import { type MemoryDatabase, MemoryDatabases } from "../src/testing/memory-database.ts";

async function withDatabase(body: (database: MemoryDatabase) => Promise<void>): Promise<void> {
  const simulation = new Simulation({ seed: 1 });
  let isDone = false;
  simulation.addHost("n1", {
    main: async (environment) => {
      const databases = new MemoryDatabases(environment);
      await using database = await databases.open("app");
      await body(database);
      isDone = true;
    },
  });
  await simulation.run({ until: () => isDone });
  expect(isDone).toBe(true);
}

test("keys are put, found, scanned and removed", async () => {
  await withDatabase(async ({ kv }) => {
    const { version } = await kv.put("a", { x: 1 });
    await kv.batch([
      { type: "put", key: ["b", 1], value: 1 },
      { type: "put", key: ["b", 2], value: 2, ttlMs: 5 },
      { type: "delete", key: "nothing" },
    ]);

    expect(await kv.getEntry("a")).toEqual({ value: { x: 1 }, version });
    expect(await kv.get("z")).toBeUndefined();
    const scan = async (range?: KeyRangeOptions): Promise<Key[]> => {
      const keys: Key[] = [];
      for await (const { key } of kv.scan(range)) keys.push(key);
      return keys;
    };
    expect(await scan()).toEqual(["a", ["b", 1], ["b", 2]]);
    expect(await scan({ prefix: ["b"], reverse: true, limit: 1, keysOnly: true })).toEqual([
      ["b", 2],
    ]);
    expect(await kv.delete("a", { ifVersion: version })).toBe(true);
    await expect(kv.put("a", 1, { ifVersion: 3 })).rejects.toThrow("VERSION_MISMATCH");
  });
});

test("documents are found by comparisons, sorted, cut and projected", async () => {
  await withDatabase(async (database) => {
    const people = database.collection<{ n: number; name?: string }>("people");
    await people.insertMany([{ n: 1, name: "a" }, { n: 2, name: "b" }, { n: 3 }]);
    const numbers = async (filter: object): Promise<number[]> => {
      const found = await people.find({ filter, sort: { n: 1 } }).toArray();
      return found.map(({ n }) => n);
    };

    expect(await numbers({ n: 2 })).toEqual([2]);
    expect(await numbers({ n: { $gt: 1, $lt: 3 } })).toEqual([2]);
    expect(await numbers({ n: { $gte: 2 } })).toEqual([2, 3]);
    expect(await numbers({ n: { $lte: 2 } })).toEqual([1, 2]);
    expect(await numbers({ n: { $eq: 3 } })).toEqual([3]);
    expect(await numbers({ n: { $in: [1, 3] } })).toEqual([1, 3]);
    expect(await numbers({ name: null })).toEqual([3]);
    const keep = people.find({ sort: { n: -1 }, skip: 1, limit: 1, projection: { n: 1, _id: 0 } });
    expect(await keep.first()).toEqual({ n: 2 });
    expect(await keep.count()).toBe(1);
    const drop = await people.find({ filter: { n: 1 }, projection: { n: 0 } }).first();
    expect(drop).toEqual({ _id: "id-1", name: "a" });
    expect((await database.stats()).collections).toEqual(["people"]);
  });
});
