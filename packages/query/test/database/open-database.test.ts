import { type Environment } from "@kvs/env";
import { InstantWorld } from "@kvs/sim";
import { Store } from "@kvs/txn";
import { expect, test } from "vitest";
import { openDatabase, openEngine } from "../../src/index.ts";
import { SPACE_EXPIRY, rowKey } from "../../src/database/rows.ts";
import { SMALL, codeIs, newStorage } from "./fixture.ts";

async function inWorld(body: (environment: Environment) => Promise<void>): Promise<void> {
  const storage = newStorage();
  const world = new InstantWorld(storage);
  await world.run(body);
  storage.processDied(world.environment.disk);
}

test("a name that is none leaves nothing open", async () => {
  await inWorld(async (environment) => {
    const refused = openDatabase(environment, "data", { ...SMALL, database: "a/b" });
    await expect(refused).rejects.toMatchObject(codeIs("BAD_DATABASE_NAME") as object);
    const database = await openDatabase(environment, "data", SMALL);
    await database.close();
  });
});

test("a store whose rows make no sense is not left open", async () => {
  await inWorld(async (environment) => {
    const store = await Store.open(environment, { path: "data", ...SMALL });
    const key = rowKey(SPACE_EXPIRY, new Uint8Array(3));
    await store.batch([{ type: "put", key, value: new Uint8Array() }]);
    await store.close();
    for (let round = 0; round < 2; round++) {
      const refused = openDatabase(environment, "data", SMALL);
      await expect(refused).rejects.toMatchObject(codeIs("QUERY_DAMAGED_ROW") as object);
    }
  });
});

test("an engine serves many databases of one store, and lists them", async () => {
  await inWorld(async (environment) => {
    const opened = await openEngine(environment, { path: "data", ...SMALL });
    expect(await opened.engine.databases()).toEqual([]);
    for (const name of ["b", "a"]) await (await opened.engine.open(name)).kv.put("name", name);
    expect(await opened.engine.databases()).toEqual(["a", "b"]);
    expect(await opened.engine.database("a").kv.get("name")).toBe("a");
    expect(() => opened.engine.database("")).toThrow(/BAD_DATABASE_NAME/);
    const stats = await opened.engine.database("a").stats();
    expect(stats.diskBytes).toBeGreaterThan(0);
    await opened.close();
    await opened.close();
  });
});

test("closing waits for the writes that have begun, in all their steps", async () => {
  await inWorld(async (environment) => {
    const database = await openDatabase(environment, "data", SMALL);
    const things = database.collection<object>("things");
    const writes = [
      ...Array.from({ length: 30 }, (_, value) => database.kv.put("key", value, { ttlMs: 1000 })),
      database.kv.batch([{ type: "put", key: "batch", value: 1 }]),
      database.kv.delete("key"),
      ...Array.from({ length: 30 }, (_, at) => things.insert({ _id: String(at) })),
      things.update("0", { a: 1 }),
      things.delete("1"),
    ];
    const settled = Promise.allSettled(writes);
    await database.close();
    expect((await settled).filter(({ status }) => status === "rejected")).toEqual([]);
    await expect(database.kv.put("key", 1)).rejects.toMatchObject(codeIs("TXN_CLOSED") as object);
    await using again = await openDatabase(environment, "data", SMALL);
    expect(await again.collection("things").count()).toBe(29);
    expect(await again.kv.get("batch")).toBe(1);
  });
});
