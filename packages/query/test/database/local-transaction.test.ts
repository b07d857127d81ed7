import { isKvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { codeIs, collect, newStorage, withDatabase } from "./fixture.ts";

test("keys and documents change together, or not at all", () =>
  withDatabase(newStorage(), async (db) => {
    const people = db.collection<{ name: string; age?: number }>("people");
    await db.kv.put("count", 1);
    const id = await people.insert({ name: "Ada" });
    const tx = await db.begin();
    const inside = tx.collection<{ name: string; age?: number }>("people");
    const other = await inside.insert({ name: "Bob" });
    expect(await inside.update(id, { name: "Ada", age: 36 })).toBe(true);
    await tx.put("count", 2, { ifVersion: (await db.kv.getEntry("count"))!.version });
    await tx.put(["a", 1], "x");
    expect(await tx.get("count")).toBe(2);
    expect(await inside.count()).toBe(2);
    expect(await inside.find({ sort: { name: 1 } }).toArray()).toMatchObject([
      { name: "Ada", age: 36 },
      { name: "Bob" },
    ]);
    expect(await collect(tx.scan({ keysOnly: true }))).toMatchObject([
      { key: "count" },
      { key: ["a", 1] },
    ]);
    expect([await people.count(), await db.kv.get("count")]).toEqual([1, 1]);

    const { version } = await tx.commit();

    expect(await people.get(other)).toMatchObject({ name: "Bob" });
    expect(await people.getDocument(id)).toMatchObject({ _version: 2, data: { age: 36 } });
    expect(await db.kv.getEntry("count")).toEqual({ value: 2, version });
    const left = await db.begin();
    await left.collection("people").delete(id);
    await left.delete("count");
    await left.rollback();
    expect([await people.count(), await db.kv.get("count")]).toEqual([2, 2]);
  }));

test("conditions hold within a transaction, at every level and in both modes", () =>
  withDatabase(newStorage(), async (db) => {
    await db.collection<object>("c").insert({ _id: "a" });
    for (const isolation of ["read-committed", "snapshot", "serializable"] as const) {
      for (const mode of ["pessimistic", "optimistic"] as const) {
        await using tx = await db.begin({ isolation, mode });
        await expect(tx.collection<object>("c").insert({ _id: "a" })).rejects.toEqual(
          expect.objectContaining(codeIs("DUPLICATE_ID")),
        );
        await expect(tx.put("k", 1, { ifVersion: 7 })).rejects.toEqual(
          expect.objectContaining(codeIs("VERSION_MISMATCH")),
        );
        await tx.put("k", 1, { ifVersion: 0 });
        expect(await tx.delete("absent")).toBe(false);
      }
    }
    expect(await db.kv.get("k")).toBeUndefined();
  }));

test("two that insert the same _id: one of them fails, at every level", () =>
  withDatabase(newStorage(), async (db) => {
    for (const isolation of ["read-committed", "snapshot", "serializable"] as const) {
      for (const mode of ["pessimistic", "optimistic"] as const) {
        const name = `${isolation}-${mode}`;
        const insert = async (): Promise<string> => {
          const tx = await db.begin({ isolation, mode });
          try {
            await tx.collection<object>("c").insert({ _id: name });
            await tx.commit();
            return "done";
          } catch (error) {
            await tx.rollback();
            return isKvsError(error) ? error.code : String(error);
          }
        };
        const outcomes = await Promise.all([insert(), insert(), insert()]);
        expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
        for (const outcome of outcomes)
          expect(["done", "DUPLICATE_ID", "TXN_CONFLICT"]).toContain(outcome);
      }
    }
  }));

test("a body is repeated until it commits, and what it returns comes out", () =>
  withDatabase(newStorage(), async (db) => {
    await db.kv.put("n", 0);
    let tries = 0;
    const add = (): Promise<number> =>
      db.transaction(async (tx) => {
        tries++;
        const next = (await tx.get<number>("n"))! + 1;
        await tx.put("n", next);
        return next;
      });
    const results = await Promise.all(Array.from({ length: 20 }, add));
    expect(await db.kv.get("n")).toBe(20);
    expect(results.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 20 }, (_, at) => at + 1),
    );
    expect(tries).toBeGreaterThan(20);
  }));

test("a body that throws is rolled back, and its error comes out, however often it could be repeated", () =>
  withDatabase(newStorage(), async (db) => {
    let tries = 0;
    const failing = db.transaction(async (tx) => {
      tries++;
      await tx.put("k", 1);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect([tries, await db.kv.get("k")]).toEqual([1, undefined]);
    const holder = await db.begin();
    await holder.put("k", 1);
    const short = db.transaction((tx) => tx.put("k", 2), { attempts: 1, deadlineMs: 100 });
    await expect(short).rejects.toMatchObject({ code: "TXN_LOCK_TIMEOUT" });
    await holder.rollback();
  }));

test("a savepoint takes back documents too, and getForUpdate keeps others from writing", () =>
  withDatabase(newStorage(), async (db) => {
    await db.kv.put("k", 1);
    const tx = await db.begin();
    expect(await tx.getForUpdate("k")).toBe(1);
    expect(await tx.getForUpdate("absent")).toBeUndefined();
    const savepoint = await tx.savepoint();
    await tx.collection("c").insert({ name: "gone" });
    await tx.rollbackTo(savepoint);
    let isWritten = false;
    const write = db.kv.put("k", 2).then(() => {
      isWritten = true;
    });
    await tx.put("k", 10);
    expect(isWritten).toBe(false);
    await tx.commit();
    await write;
    expect([await db.kv.get("k"), await db.collection("c").count()]).toEqual([2, 0]);
  }));

test("a value that expires within the transaction is absent there and afterwards", () =>
  withDatabase(newStorage(), async (db) => {
    await using tx = await db.begin();
    await tx.put("k", 1, { ttlMs: 1000 });
    expect(await tx.get("k")).toBe(1);
    await tx.commit();
    expect(await db.kv.get("k")).toBe(1);
  }));

test("closing the database rolls back what is open", async () => {
  const storage = newStorage();
  await withDatabase(storage, async (db) => {
    const tx = await db.begin();
    await tx.put("k", 1);
    await db.close();
    await expect(tx.commit()).rejects.toMatchObject({ code: "TXN_ENDED" });
  });
  await withDatabase(storage, async (db) => expect(await db.kv.get("k")).toBeUndefined());
});

test("what is absent because nothing was ever written there is read all the same", () =>
  withDatabase(newStorage(), async (db) => {
    const add = (): Promise<number> =>
      db.transaction(async (tx) => {
        const value = ((await tx.get<number>("count")) ?? 0) + 1;
        await tx.put("count", value);
        return value;
      });
    expect(new Set(await Promise.all([add(), add(), add()]))).toEqual(new Set([1, 2, 3]));
    const reader = await db.begin({ readOnly: true });
    expect(await reader.collection("c").count()).toBe(0);
    await db.collection<object>("c").insert({});
    expect(await reader.collection("c").count()).toBe(0);
    const committed = await db.begin("read-committed");
    expect(await committed.collection("never").count()).toBe(0);
    await committed.commit();
    expect((await db.stats()).collections).toEqual(["c"]);
  }));

test("errors name keys and documents as people do", () =>
  withDatabase(newStorage(), async (db) => {
    const names: [string, () => Promise<unknown>][] = [
      [
        'key ["a",1,"3 bytes"] of database default',
        () => db.kv.put(["a", 1, new Uint8Array(3)], 1),
      ],
      [`key "${"x".repeat(99)}… of database`, () => db.kv.put("x".repeat(300), 1)],
      [
        'document "d" of collection c of',
        () => db.collection("c").update("d", {}, { upsert: true }),
      ],
    ];
    for (const [name, write] of names) {
      await using tx = await db.begin("snapshot");
      await write();
      for (const key of [["a", 1, new Uint8Array(3)], "x".repeat(300)]) await tx.get(key);
      await tx.collection("c").get("d");
      await write();
      const inside = [
        () => tx.put(["a", 1, new Uint8Array(3)], 2),
        () => tx.put("x".repeat(300), 2),
        () => tx.collection("c").update("d", {}),
      ];
      const at = names.findIndex(([each]) => each === name);
      await expect(inside[at]!()).rejects.toThrow(name);
    }
  }));
