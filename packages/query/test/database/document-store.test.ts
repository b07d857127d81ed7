import { expect, test } from "vitest";
import { codeIs, newStorage, withDatabase } from "./fixture.ts";

test("what is no plain object is refused, whatever its type says", async () => {
  await withDatabase(newStorage(), async (database) => {
    const things = database.collection<object>("things");
    class Own {
      readonly member = 1;
    }
    const wrong = [
      null,
      undefined,
      5,
      "x",
      [1],
      new Own(),
      new Map(),
      new Date(0),
      new Uint8Array(1),
    ];
    for (const document of wrong as object[]) {
      const refused = codeIs("BAD_OPTION") as object;
      await expect(things.insert(document)).rejects.toMatchObject(refused);
      await expect(things.insertMany([{}, document])).rejects.toMatchObject(refused);
      await expect(things.update("a", document)).rejects.toMatchObject(refused);
    }
    await things.insert(Object.create(null) as object);
    expect(await things.count()).toBe(1);
  });
});

test("_ids are checked before anything is made", async () => {
  await withDatabase(newStorage(), async (database) => {
    const things = database.collection<object>("things");
    const refused = codeIs("QUERY_BAD_ID") as object;
    for (const id of ["", "é".repeat(257), 5 as unknown as string]) {
      await expect(things.insert({ _id: id })).rejects.toMatchObject(refused);
      await expect(things.get(id)).rejects.toMatchObject(refused);
      await expect(things.getDocument(id)).rejects.toMatchObject(refused);
      await expect(things.update(id, {}, { upsert: true })).rejects.toMatchObject(refused);
      await expect(things.delete(id)).rejects.toMatchObject(refused);
    }
    await expect(things.update("a", { _id: "b" }, { upsert: true })).rejects.toMatchObject(refused);
    expect((await database.stats()).collections).toEqual([]);
  });
});

test("what changes nothing makes no collection and no version", async () => {
  await withDatabase(newStorage(), async (database) => {
    const things = database.collection<object>("things");
    const { version } = await database.stats();
    expect(await things.update("a", {})).toBe(false);
    expect(await things.update("a", {}, { ifVersion: 0 })).toBe(false);
    expect(await things.delete("a", { ifVersion: 0 })).toBe(false);
    expect(await things.insertMany([])).toEqual([]);
    const mismatch = codeIs("VERSION_MISMATCH") as object;
    await expect(things.update("a", {}, { ifVersion: 1 })).rejects.toMatchObject(mismatch);
    await expect(things.delete("a", { ifVersion: 1 })).rejects.toMatchObject(mismatch);
    const same = [{ _id: "a" }, { _id: "a" }];
    await expect(things.insertMany(same)).rejects.toMatchObject(codeIs("DUPLICATE_ID") as object);
    for (const ifVersion of [-1, 0.5]) {
      const refused = codeIs("BAD_OPTION") as object;
      await expect(things.update("a", {}, { ifVersion })).rejects.toMatchObject(refused);
      await expect(things.delete("a", { ifVersion })).rejects.toMatchObject(refused);
    }
    const stats = await database.stats();
    expect([stats.version, stats.collections]).toEqual([version, []]);
  });
});

test("an insertion of more documents than the limit is refused", async () => {
  await withDatabase(newStorage(), async (database) => {
    const many = Array.from({ length: 100_001 }, () => ({}));
    const refused = database.collection("things").insertMany(many);
    await expect(refused).rejects.toMatchObject(codeIs("BATCH_TOO_LARGE") as object);
  });
});

test("a document is stored as it was when the call began", async () => {
  await withDatabase(newStorage(), async (database) => {
    const things = database.collection<{ list: number[] }>("things");
    const document = { list: [1] };
    const writes = [
      things.insertMany([{ _id: "a", ...document } as typeof document]),
      things.update("b", document, { upsert: true }),
    ];
    document.list.push(2);
    await Promise.all(writes);
    expect((await things.find().toArray()).map(({ list }) => list)).toEqual([[1], [1]]);
  });
});
