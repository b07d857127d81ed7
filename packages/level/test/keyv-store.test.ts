import { MemoryDisk } from "@kvs/env";
import keyvTestSuite, { keyvIteratorTests } from "@keyv/test-suite";
import { Keyv } from "keyv";
import * as vitest from "vitest";
import { expect, test } from "vitest";
import { KeyvStore } from "../src/index.ts";
import { KvsKeyv } from "../wiring/keyv.ts";
import { Level } from "../wiring/index.ts";
import { inMemory } from "./databases.ts";

vitest.describe("the suite of @keyv/test-suite", () => {
  const database = new Level(":memory:");
  // Each Keyv sets the namespace of its own store.
  const store = (): KvsKeyv => new KvsKeyv(database);
  keyvTestSuite(vitest, Keyv, store);
  keyvIteratorTests(vitest, Keyv, store);
  vitest.afterAll(() => database.close());
});

test("what Keyv stores is there after a restart", async () => {
  const disk = new MemoryDisk();
  const first = new Keyv({ store: new KeyvStore(inMemory({}, disk)), namespace: "n" });
  await first.set("a", { x: 1 });
  await first.set("b", "gone soon", 1);
  await first.disconnect();

  const second = new Keyv({ store: new KeyvStore(inMemory({}, disk)), namespace: "n" });
  await new Promise((resolve) => void setTimeout(resolve, 5));
  expect(await second.get(["a", "b", "c"])).toEqual([{ x: 1 }, undefined, undefined]);
  expect([await second.has("a"), await second.has("b")]).toEqual([true, false]);
});

test("many are set, deleted and walked over, in their namespace alone", async () => {
  const database = inMemory();
  const store = new KeyvStore(database);
  const puts = Array.from({ length: 1000 }, (_, at) => ({ key: `n:${at}`, value: at }));
  await store.setMany([...puts, { key: "m:1", value: "other" }, { key: "n;", value: "beyond" }]);
  expect(await store.getMany(["n:0", "n:999", "n:1000"])).toEqual([0, 999, undefined]);
  expect(await store.deleteMany(["n:0", "n:1", "n:none"])).toBe(true);
  expect(await store.deleteMany(["n:0"])).toBe(false);
  const found: string[] = [];
  for await (const [key] of store.iterator("n")) found.push(key);
  expect(found).toHaveLength(998);
  for await (const [key] of store.iterator()) {
    expect(key).toBe("m:1");
    break;
  }
  expect(database.stats().openSnapshots).toBe(0);

  store.namespace = "n";
  await store.clear();
  expect(await database.keys().all()).toEqual(["m:1", "n;"]);
  store.namespace = undefined;
  await store.clear();
  expect(await database.keys().all()).toEqual([]);
});

test("a store for Keyv opens a directory, or uses a database that is open", async () => {
  const keyv = new Keyv({ store: new KvsKeyv(":memory:") });
  keyv.on("error", expect.unreachable);
  expect(await keyv.set("a", 1)).toBe(true);
  expect(await keyv.get("a")).toBe(1);
  await keyv.disconnect();
  await expect(new KvsKeyv(new Level(":memory:")).get("a")).resolves.toBeUndefined();
});
