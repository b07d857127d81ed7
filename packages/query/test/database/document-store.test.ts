import { expect, test } from "vitest";
import { encodeDocument } from "@kvs/codec";
import { type Clock } from "@kvs/env";
import { openDatabase } from "../../src/index.ts";
import { SMALL, codeIs, newStorage, withDatabase } from "./fixture.ts";

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

test("documents that come encoded are inserted as others are, all or none", async () => {
  await withDatabase(newStorage(), async (database) => {
    const things = database.collection<{ n: number }>("things");
    const encoded = Array.from({ length: 700 }, (_, n) => encodeDocument({ _id: `d${n}`, n }));
    const nothing = (): void => undefined;

    const ids = await database.insertRaw(
      "things",
      [...encoded, encodeDocument({ n: -1 })],
      nothing,
    );
    expect(ids.slice(0, 700)).toEqual(encoded.map((_, n) => `d${n}`));
    expect(await things.get(ids[700]!)).toEqual({ _id: ids[700], n: -1 });
    expect(await things.getDocument("d699")).toMatchObject({ _version: 1, data: { n: 699 } });

    const fresh = encodeDocument({ _id: "fresh" });
    const table = [
      ["DUPLICATE_ID", encoded[3]!],
      ["DUPLICATE_ID", fresh],
      ["BAD_OPTION", encodeDocument([1])],
      ["QUERY_BAD_ID", encodeDocument({ _id: "" })],
      ["CODEC_MALFORMED", new Uint8Array([0xc1])],
    ] as const;
    for (const [code, bytes] of table) {
      await expect(database.insertRaw("things", [fresh, bytes], nothing)).rejects.toMatchObject({
        code,
        outcome: "none",
      });
    }
    expect(await things.count()).toBe(701);
    await expect(database.insertRaw("", [], nothing)).rejects.toMatchObject({
      code: "QUERY_BAD_NAME",
    });
  });
});

test("a write that starts once an insertion is ordered takes effect after it", async () => {
  await withDatabase(newStorage(), async (database) => {
    const things = database.collection<{ n: string }>("things");
    let updated: Promise<boolean> | undefined;
    const documents = [encodeDocument({ _id: "a", n: "old" }), encodeDocument({ n: "other" })];

    await database.insertRaw("things", documents, () => {
      updated = things.update("a", { n: "new" });
    });

    expect(await updated).toBe(true);
    expect(await things.get("a")).toEqual({ _id: "a", n: "new" });
  });
});

test("while many documents are inserted others have their turns", async () => {
  await withDatabase(newStorage(), async (_, { environment }) => {
    // A clock whose every reading is a millisecond later: computing takes time.
    const { clock } = environment;
    let nowMs = 0;
    let turns = 0;
    const ticking: Clock = {
      wallMs: () => clock.wallMs(),
      monotonicMs: () => ++nowMs,
      schedule: (delayMs, action) => clock.schedule(delayMs, action),
      defer: (action) => {
        turns++;
        clock.defer(action);
      },
    };
    const world = Object.create(environment, { clock: { value: ticking } }) as typeof environment;
    const database = await openDatabase(world, "other", SMALL);
    const documents = Array.from({ length: 1000 }, (_each, n) => encodeDocument({ n }));
    turns = 0;

    await database.insertRaw("things", documents, () => undefined);

    expect(turns).toBeGreaterThan(documents.length / 5);
    expect(await database.collection("things").count()).toBe(1000);
  });
});
