import { MemoryDisk } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { KEY_BYTES_MAX, Store } from "@kvs/txn";
import { expect, test } from "vitest";
import { StoreLevel } from "../src/index.ts";
import { inMemory } from "./databases.ts";

const tooLong = "k".repeat(KEY_BYTES_MAX + 1);

test("a key that is too long is a typed error of writes and reads, and no entry of walks", async () => {
  const database = inMemory();
  const longest = tooLong.slice(1);
  await database.put(longest, "1");
  const refused = { code: "TXN_KEY_TOO_LARGE", outcome: "none" };
  await expect(database.put(tooLong, "1")).rejects.toMatchObject(refused);
  await expect(database.del(tooLong)).rejects.toMatchObject(refused);
  await expect(
    database.batch([
      { type: "put", key: "a", value: "1" },
      { type: "put", key: tooLong, value: "1" },
    ]),
  ).rejects.toMatchObject(refused);
  await expect(database.get(tooLong)).rejects.toMatchObject(refused);
  expect(() => database.getSync(tooLong)).toThrow("TXN_KEY_TOO_LARGE");
  expect(await database.get("a")).toBeUndefined();
  expect(await database.keys({ gte: longest }).all()).toEqual([longest]);
  expect(await database.keys({ gte: tooLong }).all()).toEqual([]);
  expect(await database.keys({ lt: tooLong }).all()).toEqual([longest]);
});

test("a value that is too long is a typed error", async () => {
  const database = inMemory<string, Uint8Array>({ valueEncoding: "view" });
  await expect(database.put("a", new Uint8Array((16 << 20) + 1))).rejects.toMatchObject({
    code: "TXN_VALUE_TOO_LARGE",
    outcome: "none",
  });
});

test("values of any length come back, read at once or later", async () => {
  const database = inMemory();
  for (const length of [0, 1, 900, 1100, 5000, 300_000]) {
    const value = "é".repeat(length);
    await database.put(`of ${length}`, value, { sync: true } as object);
    expect(await database.get(`of ${length}`)).toBe(value);
    expect(database.getSync(`of ${length}`)).toBe(value);
  }
});

test("what was written is there again after closing and opening, and in another process's store", async () => {
  const disk = new MemoryDisk();
  const first = inMemory({}, disk);
  await first.batch([
    { type: "put", key: "a", value: "1" },
    { type: "put", key: "b", value: "2" },
    { type: "del", key: "a" },
  ]);
  await first.close();
  await first.open();
  expect(await first.get("b")).toBe("2");
  await first.close();

  const second = inMemory({}, disk);
  expect(await second.getMany(["a", "b"])).toEqual([undefined, "2"]);
  await second.close();
  await using store = await Store.open({ ...createNodeEnvironment(), disk }, { path: "store" });
  expect(await store.get(new TextEncoder().encode("b"))).toEqual(new TextEncoder().encode("2"));
});

test("a batch over several sublevels is all or nothing", async () => {
  const database = inMemory();
  const names = database.sublevel("names");
  const ages = database.sublevel<string, number>("ages", { valueEncoding: "json" });
  const operations = [
    { type: "put" as const, sublevel: names, key: "1", value: "Ada" },
    { type: "put" as const, sublevel: ages, key: "1", value: 36, valueEncoding: "json" },
    { type: "put" as const, key: tooLong, value: "" },
  ];
  await expect(database.batch<string, unknown>(operations, {})).rejects.toMatchObject({
    code: "TXN_KEY_TOO_LARGE",
  });
  expect(await database.keys().all()).toEqual([]);
  await database.batch<string, unknown>(operations.slice(0, 2), {});
  expect([await names.get("1"), await ages.get("1")]).toEqual(["Ada", 36]);
});

test("clear deletes a long range in pieces, as of its moment, and leaves no view open", async () => {
  const database = inMemory();
  const keys = Array.from({ length: 3000 }, (_, at) => String(at).padStart(6, "0"));
  await database.batch(keys.map((key) => ({ type: "put", key, value: key })));
  const before = database.stats().publishedTs;

  const clearing = database.clear({ gte: "000500", lt: "002500" });
  await database.put("000700", "came later");
  await clearing;

  expect(database.stats().publishedTs).toBeGreaterThan(before);
  expect(await database.keys({ gte: "000500", lt: "002500" }).all()).toEqual(
    (await database.get("000700")) === undefined ? [] : ["000700"],
  );
  expect(await database.keys().all()).toHaveLength((await database.has("000700")) ? 1001 : 1000);
  await database.clear({ reverse: true, limit: 10 });
  expect(await database.has("002989")).toBe(true);
  expect(await database.has("002990")).toBe(false);
  expect(database.stats().openSnapshots).toBe(0);
});

test("many keys are read as of one moment", async () => {
  const database = inMemory();
  const keys = Array.from({ length: 1000 }, (_, at) => `k${at}`);
  await database.batch(keys.map((key) => ({ type: "put", key, value: "old" })));
  const reading = database.getMany([...keys, "none"]);
  const writing = database.batch(keys.map((key) => ({ type: "put", key, value: "new" })));
  expect(new Set(await reading)).toEqual(new Set(["old", undefined]));
  await writing;
  expect(await database.hasMany([...keys.slice(0, 2), "none"])).toEqual([true, true, false]);
});

test("a snapshot of another kind of database is not taken", async () => {
  const database = inMemory();
  await database.open();
  const snapshot = { ref: () => undefined, unref: () => undefined };
  await expect(database.get("a", { snapshot } as object)).rejects.toThrow("a snapshot comes from");
});

test("whether the store has to be there, or must not", async () => {
  const disk = new MemoryDisk();
  const missing = inMemory({ createIfMissing: false }, disk);
  await expect(missing.open()).rejects.toMatchObject({
    code: "LEVEL_DATABASE_NOT_OPEN",
    cause: { code: "DISK_NOT_FOUND" },
  });
  await inMemory({}, disk).put("a", "1");
  const present = inMemory({ errorIfExists: true }, disk);
  await expect(present.open()).rejects.toMatchObject({ cause: { code: "DISK_EXISTS" } });
  await expect(inMemory({}, disk).open()).rejects.toMatchObject({ cause: { code: "DISK_LOCKED" } });
});

test("options of the store reach it, those of others do not", async () => {
  const database = inMemory({
    memoryBytes: 64 << 10,
    segmentBytes: 128 << 10,
    cacheSize: 1,
  } as object);
  await database.put("a", "x".repeat(500_000));
  expect(await database.get("a")).toHaveLength(500_000);
  expect(database.stats().memoryBytes).toBeLessThanOrEqual(64 << 10);
  expect(database.location).toBe("store");
});

test("a store whose last checkpoint fails is closed all the same, and opened again", async () => {
  const disk = new MemoryDisk();
  let isFull = false;
  const failing = new Proxy(disk, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (name !== "open") return typeof member === "function" ? member.bind(target) : member;
      return async (...parameters: Parameters<MemoryDisk["open"]>) => {
        const file = await target.open(...parameters);
        return new Proxy(file, {
          get(inner, method) {
            const own = Reflect.get(inner, method) as unknown;
            if (typeof own !== "function") return own;
            if (method === "datasync" && isFull) return () => Promise.reject(new Error("full"));
            return own.bind(inner) as unknown;
          },
        });
      };
    },
  });
  const environment = { ...createNodeEnvironment(), disk: failing };
  const database = new StoreLevel(environment, { path: "store", segmentBytes: 1 << 20 });
  await database.put("a", "1");
  isFull = true;
  await expect(database.close()).rejects.toMatchObject({ code: "LEVEL_DATABASE_NOT_CLOSED" });
  await expect(database.get("a")).rejects.toMatchObject({ code: "TXN_CLOSED" });
  isFull = false;
  await database.close();
  await database.open();
  expect(await database.get("a")).toBe("1");
  await database.close();
});
