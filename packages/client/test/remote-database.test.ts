import { type DocumentValue, type Key } from "@kvs/codec";
import { type Database, type KeyEntry, type KeyRangeOptions } from "@kvs/protocol";
import { forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";
import { type WorldOptions, failureOf, withServer } from "./world.ts";

/** Runs with rare branches on in some runs, and reads that wait in others. */
async function overSeeds(
  body: (db: Database) => Promise<void>,
  options: WorldOptions = {},
): Promise<void> {
  await forEachSeedAsync({ seeds: 12 }, async ({ seed }) => {
    const memory = { readsLater: seed % 2 === 0, commitMs: seed % 3 };
    await withServer({ seed, memory, ...options }, async ({ connect }) => {
      await using db = await connect({ connections: 1 + (seed % 2) });
      await body(db);
    });
  });
}

async function entriesOf(
  db: Database,
  range?: KeyRangeOptions,
): Promise<KeyEntry<DocumentValue>[]> {
  const entries: KeyEntry<DocumentValue>[] = [];
  for await (const entry of db.kv.scan(range)) entries.push(entry);
  return entries;
}

test("keys and values of every type come back as they were put", async () => {
  const values = [
    null,
    true,
    -0,
    1.5,
    2n ** 60n,
    "é".repeat(500),
    new Uint8Array(300),
    new Date(7),
    [1, [2]],
    { a: { b: null } },
  ];
  const keys: Key[] = [
    null,
    false,
    -1,
    "",
    "text\0",
    new Uint8Array([0, 1, 2]),
    [],
    ["a", 1, null],
    "é",
    1e300,
  ];
  await overSeeds(async (db) => {
    await Promise.all(keys.map((key, at) => db.kv.put(key, values[at])));

    for (const [at, key] of keys.entries()) expect(await db.kv.get(key)).toEqual(values[at]);
    expect(await db.kv.get("absent")).toBeUndefined();
    expect(await db.kv.getEntry("absent")).toBeUndefined();
  });
});

test("versions are told, and conditions on them hold", async () => {
  await overSeeds(async ({ kv }) => {
    const { version } = await kv.put("a", 1, { ifVersion: 0 });
    expect(await kv.getEntry("a")).toEqual({ value: 1, version });
    const second = await kv.put("a", 2, { ifVersion: version });
    expect(second.version).toBeGreaterThan(version);

    const failure = await failureOf(kv.put("a", 3, { ifVersion: version }));
    expect(failure).toMatchObject({
      code: "VERSION_MISMATCH",
      outcome: "none",
      retryable: false,
      details: { expected: version },
    });
    expect(await failureOf(kv.delete("a", { ifVersion: 0 }))).toMatchObject({
      code: "VERSION_MISMATCH",
    });
    expect(await kv.delete("a", { ifVersion: second.version })).toBe(true);
    expect(await kv.delete("a")).toBe(false);
  });
});

test("a batch is all or nothing", async () => {
  await overSeeds(async (db) => {
    const { version } = await db.kv.batch([
      { type: "put", key: "a", value: 1 },
      { type: "put", key: "b", value: 2, ttlMs: 60_000 },
      { type: "delete", key: "a" },
    ]);
    expect(await entriesOf(db)).toEqual([{ key: "b", value: 2, version }]);

    const bad = db.kv.batch([
      { type: "put", key: "c", value: 1 },
      { type: "put", key: "d", value: "\ud800" },
    ]);
    expect(await failureOf(bad)).toMatchObject({ code: "CODEC_UNSUPPORTED", outcome: "none" });
    expect(await entriesOf(db)).toHaveLength(1);
  });
});

test("a scan walks over more than one step, in either direction, within bounds", async () => {
  await overSeeds(async (db) => {
    const puts = Array.from(
      { length: 1203 },
      (_, n) => ({ type: "put", key: ["n", n], value: n }) as const,
    );
    await db.kv.batch([...puts, { type: "put", key: "other", value: 0 }]);

    const forward = await entriesOf(db, { prefix: ["n"] });
    expect(forward.map(({ value }) => value)).toEqual(puts.map(({ value }) => value));
    const backward = await entriesOf(db, {
      gt: ["n", 100],
      lte: ["n", 1200],
      reverse: true,
      limit: 700,
    });
    expect(backward.map(({ value }) => value)).toEqual(
      Array.from({ length: 700 }, (_, n) => 1200 - n),
    );
    const keys = await entriesOf(db, { lt: ["n", 2], keysOnly: true });
    expect(keys).toMatchObject([
      { key: "other" },
      { key: ["n", 0], value: undefined },
      { key: ["n", 1] },
    ]);
    expect(await entriesOf(db, { limit: 0 })).toEqual([]);
    expect(await entriesOf(db, { gte: "x", lt: "a" })).toEqual([]);
  });
});

test("a loop that is left closes its cursor on the server", async () => {
  await withServer({}, async ({ connect, server, sleep }) => {
    const db = await connect();
    await db.kv.batch(Array.from({ length: 2000 }, (_, n) => ({ type: "put", key: n, value: n })));

    for await (const { key } of db.kv.scan()) if (key === 3) break;
    for await (const { key } of db.kv.scan()) if (key === 700) break;
    await sleep(10);

    expect(server().metrics()).toContain("\nkvs_cursors 0\n");
    expect((await db.stats()).openCursors).toBe(0);
    await db.close();
  });
});

test("a walk is as of its first step", async () => {
  await withServer({}, async ({ connect }) => {
    const db = await connect();
    await db.kv.batch(Array.from({ length: 1000 }, (_, n) => ({ type: "put", key: n, value: n })));

    let count = 0;
    for await (const { key } of db.kv.scan()) {
      if (key === 0)
        await db.kv.batch([
          { type: "delete", key: 999 },
          { type: "put", key: 1000, value: 1 },
        ]);
      count++;
    }

    expect(count).toBe(1000);
    await db.close();
  });
});

test("documents are inserted, found, replaced, counted and removed", async () => {
  await overSeeds(async (db) => {
    const people = db.collection<{ name: string; age: number }>("people");
    expect(people.name).toBe("people");
    const ada = await people.insert({ name: "Ada", age: 36 });
    const ids = await people.insertMany([
      { name: "Alan", age: 41 },
      { name: "Grace", age: 85 },
    ]);
    expect(ids).toHaveLength(2);

    expect(await people.get(ada)).toEqual({ _id: ada, name: "Ada", age: 36 });
    expect(await people.get("absent")).toBeUndefined();
    expect(await people.getDocument(ada)).toMatchObject({
      _id: ada,
      _version: 1,
      data: { name: "Ada", age: 36 },
    });
    expect(await people.getDocument("absent")).toBeUndefined();
    expect(await people.update(ada, { name: "Ada", age: 37 }, { ifVersion: 1 })).toBe(true);
    expect(await people.update("absent", { name: "X", age: 1 })).toBe(false);
    expect(await people.update("new", { name: "X", age: 1 }, { upsert: true })).toBe(true);
    expect(
      await failureOf(people.update(ada, { name: "", age: 0 }, { ifVersion: 1 })),
    ).toMatchObject({ code: "VERSION_MISMATCH" });
    expect(await failureOf(people.insert({ _id: ada, name: "", age: 0 } as never))).toMatchObject({
      code: "DUPLICATE_ID",
      outcome: "none",
    });

    const query = {
      filter: { age: { $gt: 30 } },
      sort: { age: -1 },
      projection: { name: 1, _id: 0 },
    } as const;
    expect(await people.find(query).toArray()).toEqual([
      { name: "Grace" },
      { name: "Alan" },
      { name: "Ada" },
    ]);
    expect(await people.find(query).first()).toEqual({ name: "Grace" });
    expect(await people.count({ name: /^a/i })).toBe(2);
    expect(await failureOf(people.insert(null as never))).toMatchObject({ code: "BAD_OPTION" });
    expect(await failureOf(people.find({ limit: -1 }).first())).toMatchObject({
      code: "BAD_OPTION",
    });
    expect(await people.find({ ...query, limit: 0 }).first()).toBeUndefined();
    expect(await people.find({ filter: { age: 999 } }).first()).toBeUndefined();
    expect(await people.find({ ...query, skip: 1 }).count()).toBe(2);
    expect([
      await people.count(),
      await people.count({ age: 37 }),
      await people.find().count(),
    ]).toEqual([4, 1, 4]);
    expect(await people.delete("new", { ifVersion: 1 })).toBe(true);
    expect(await people.delete("new")).toBe(false);
    await db.checkpoint();
    expect(await db.stats()).toMatchObject({ name: "app", collections: ["people"] });
  });
});

test("a cursor is used once", async () => {
  await withServer({}, async ({ connect }) => {
    const db = await connect();
    const cursor = db.collection("c").find();
    expect(await cursor.toArray()).toEqual([]);

    for (const again of [cursor.toArray(), cursor.first(), cursor.count()]) {
      expect(await failureOf(again)).toMatchObject({ code: "BAD_OPTION", outcome: "none" });
    }
    await db.close();
  });
});

test("a find walks over more than one step", async () => {
  await withServer({}, async ({ connect }) => {
    const db = await connect();
    const numbers = db.collection<{ n: number }>("numbers");
    await numbers.insertMany(Array.from({ length: 1111 }, (_, n) => ({ n })));

    let sum = 0;
    for await (const { n } of numbers.find()) sum += n;

    expect(sum).toBe((1111 * 1110) / 2);
    await db.close();
  });
});

test("what cannot be sent is refused where it was asked, and nothing is sent", async () => {
  await withServer({}, async ({ connect, storage }) => {
    const db = await connect();
    const { kv } = db;
    const cyclic: DocumentValue[] = [];
    cyclic.push(cyclic);
    const refusals: [Promise<unknown>, string][] = [
      [kv.put("a", () => 1), "CODEC_UNSUPPORTED"],
      [kv.put("a", undefined), "CODEC_UNSUPPORTED"],
      [kv.put("a", cyclic), "CODEC_TOO_DEEP"],
      [kv.put("a", new Uint8Array(16 << 20)), "CODEC_TOO_LARGE"],
      [kv.put("x".repeat(2000), 1), "CODEC_KEY_TOO_LARGE"],
      [kv.get(Number.NaN), "CODEC_UNSUPPORTED"],
      [kv.put("a", 1, { ttlMs: 0 }), "BAD_OPTION"],
      [kv.put("a", 1, { ttlMs: 2 ** 41 }), "BAD_OPTION"],
      [kv.put("a", 1, { ifVersion: -1 }), "BAD_OPTION"],
      [kv.delete("a", { ifVersion: 0.5 }), "BAD_OPTION"],
      [
        kv.batch(Array.from({ length: 100_001 }, () => ({ type: "delete", key: 1 }))),
        "BATCH_TOO_LARGE",
      ],
      [kv.batch([{ type: "put", key: 1, value: 1, ttlMs: -1 }]), "BAD_OPTION"],
      [entriesOf(db, { limit: -1 }), "BAD_OPTION"],
      [entriesOf(db, { gt: Number.NaN }), "CODEC_UNSUPPORTED"],
      [
        db.collection("c").insertMany(Array.from({ length: 100_001 }, () => ({}))),
        "BATCH_TOO_LARGE",
      ],
      [db.collection("c").update("x", {}, { ifVersion: -1 }), "BAD_OPTION"],
      [db.collection("c").delete("x", { ifVersion: Number.NaN }), "BAD_OPTION"],
    ];
    for (const [refused, code] of refusals) {
      expect(await failureOf(refused)).toMatchObject({ code, outcome: "none" });
    }
    expect(() => db.collection("a/b")).toThrow("QUERY_BAD_NAME");
    expect(storage.commitCount).toBe(0);
    await kv.put("a", 1);
    expect(await kv.get("a")).toBe(1);
    await db.close();
  });
});

test("the largest values and batches fit, whatever else leaves in the same turn", async () => {
  await withServer({}, async ({ connect }) => {
    const db = await connect();
    const large = new Uint8Array((16 << 20) - 100);
    const batch = Array.from(
      { length: 4 },
      (_, n) => ({ type: "put", key: n, value: large }) as const,
    );

    // Together they exceed a frame, each alone does not.
    await Promise.all([db.kv.put("before", "x".repeat(200_000)), db.kv.batch(batch)]);
    expect(((await db.kv.get(3)) as Uint8Array).length).toBe(large.length);
    expect(await db.kv.get("before")).toHaveLength(200_000);

    const tooLarge = db.kv.batch([...batch, ...batch]);
    expect(await failureOf(tooLarge)).toMatchObject({ code: "CODEC_TOO_LARGE", outcome: "none" });
    await db.close();
  });
});

test("what one turn asks for leaves in one frame and comes back in one", async () => {
  await withServer({ knobs: { buggify: false } }, async ({ connect, server }) => {
    const db = await connect();
    const frames = (): number =>
      Number(/^kvs_frames_received_total (\d+)$/m.exec(server().metrics())![1]);
    const before = frames();

    await Promise.all(Array.from({ length: 200 }, (_, n) => db.kv.get(n)));

    expect(frames() - before).toBe(1);
    await db.close();
  });
});
