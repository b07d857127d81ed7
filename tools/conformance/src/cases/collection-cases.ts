import assert from "node:assert/strict";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";

const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

interface Thing {
  readonly _id?: string;
  readonly name: string;
  readonly size?: number;
}

export const COLLECTION_CASES: readonly ConformanceCase[] = [
  {
    name: "a collection that nobody wrote to is empty, and not listed",
    async run(database) {
      const things = database.collection<Thing>("things");
      assert.equal(things.name, "things");
      assert.equal(await things.get("id"), undefined);
      assert.equal(await things.getDocument("id"), undefined);
      assert.equal(await things.count(), 0);
      assert.deepEqual(await things.find().toArray(), []);
      assert.equal(await things.find().first(), undefined);
      assert.equal(await things.delete("id"), false);
      assert.equal(await things.update("id", { name: "none" }), false);
      assert.deepEqual(await things.insertMany([]), []);
      await expectError("VERSION_MISMATCH", () => things.delete("id", { ifVersion: 1 }));
      await expectError("VERSION_MISMATCH", () =>
        things.update("id", { name: "" }, { ifVersion: 1 }),
      );
      await expectError("DUPLICATE_ID", () =>
        things.insertMany([
          { _id: "same", name: "" },
          { _id: "same", name: "" },
        ]),
      );
      assert.deepEqual((await database.stats()).collections, []);
      await things.insert({ name: "first" });
      await database.collection("another").insert({});
      assert.deepEqual((await database.stats()).collections, ["another", "things"]);
    },
  },
  {
    name: "an inserted document is found under its _id, given or made",
    async run(database) {
      const things = database.collection<Thing>("things");
      const made = await things.insert({ name: "made" });
      assert.match(made, UUID_7);
      assert.equal(await things.insert({ _id: "given", name: "given" }), "given");
      assert.deepEqual(await things.get(made), { _id: made, name: "made" });
      assert.deepEqual(await things.get("given"), { _id: "given", name: "given" });
      const later = await things.insert({ name: "later", _id: undefined as unknown as string });
      assert.match(later, UUID_7);
      assert.notEqual(later, made);
    },
  },
  {
    name: "an _id is a text of 1 to 512 bytes",
    async run(database) {
      const things = database.collection<Thing>("things");
      const wrong = ["", "x".repeat(513), "é".repeat(257), 5, null, {}, ["a"]] as string[];
      for (const _id of wrong) {
        await expectError("QUERY_BAD_ID", () => things.insert({ _id, name: "" }));
        await expectError("QUERY_BAD_ID", () =>
          things.insertMany([{ name: "" }, { _id, name: "" }]),
        );
      }
      for (const id of ["", "x".repeat(513)]) {
        await expectError("QUERY_BAD_ID", () => things.get(id));
        await expectError("QUERY_BAD_ID", () => things.getDocument(id));
        await expectError("QUERY_BAD_ID", () => things.update(id, { name: "" }, { upsert: true }));
        await expectError("QUERY_BAD_ID", () => things.delete(id));
        assert.deepEqual(await things.find({ filter: { _id: id } }).toArray(), []);
      }
      assert.equal(await things.count(), 0);
      for (const _id of [
        "x",
        "x".repeat(512),
        "é".repeat(256),
        "\u0000",
        "__proto__",
        "constructor",
      ]) {
        assert.equal(await things.insert({ _id, name: _id }), _id);
        assert.deepEqual(await things.get(_id), { _id, name: _id });
      }
    },
  },
  {
    name: "documents that are none are refused",
    async run(database) {
      const things = database.collection<object>("things");
      const wrong = [null, undefined, 5, "text", [1], new Date(0), Uint8Array.of(1), new Map()];
      for (const document of wrong as object[]) {
        const codes = ["BAD_OPTION", "CODEC_UNSUPPORTED"];
        await expectError(codes, () => things.insert(document));
        await expectError(codes, () => things.insertMany([{}, document]));
        await expectError(codes, () => things.update("id", document, { upsert: true }));
      }
      assert.equal(await things.count(), 0);
    },
  },
  {
    name: "insertMany inserts all or none",
    async run(database) {
      const things = database.collection<Thing>("things");
      const ids = await things.insertMany([{ name: "a" }, { _id: "b", name: "b" }, { name: "c" }]);
      assert.equal(ids.length, 3);
      assert.equal(ids[1], "b");
      for (const [at, id] of ids.entries()) assert.equal((await things.get(id))!.name, "abc"[at]);
      const duplicates: Thing[][] = [
        [{ name: "d" }, { _id: "b", name: "again" }],
        [{ _id: "b", name: "again" }, { name: "d" }],
        [
          { _id: "d", name: "d" },
          { _id: "d", name: "d" },
        ],
      ];
      for (const documents of duplicates) {
        await expectError("DUPLICATE_ID", () => things.insertMany(documents));
        assert.equal(await things.count(), 3);
      }
      await expectError("DUPLICATE_ID", () => things.insert({ _id: "b", name: "again" }));
      assert.deepEqual(await things.get("b"), { _id: "b", name: "b" });
    },
  },
  {
    name: "getDocument tells version and time, and the document without its _id",
    async run(database) {
      const things = database.collection<Thing>("things");
      await things.insert({ _id: "a", name: "first", size: 1 });
      const first = (await things.getDocument("a"))!;
      assert.deepEqual(Object.keys(first).toSorted(), ["_id", "_timestamp", "_version", "data"]);
      assert.equal(first._id, "a");
      assert.equal(first._version, 1);
      assert.deepEqual(first.data, { name: "first", size: 1 });
      assert.match(first._timestamp, ISO_TIME);
      assert.ok(Math.abs(Date.parse(first._timestamp) - Date.now()) < 600_000);
      await things.update("a", { name: "second" });
      const second = (await things.getDocument("a"))!;
      assert.equal(second._version, 2);
      assert.deepEqual(second.data, { name: "second" });
      assert.ok(second._timestamp >= first._timestamp);
    },
  },
  {
    name: "update replaces the whole document, only if it is there",
    async run(database) {
      const things = database.collection<Thing>("things");
      await things.insert({ _id: "a", name: "first", size: 1 });
      assert.equal(await things.update("a", { name: "second" }), true);
      assert.deepEqual(await things.get("a"), { _id: "a", name: "second" });
      assert.equal(await things.update("a", { _id: "a", name: "third" }), true);
      assert.deepEqual(await things.get("a"), { _id: "a", name: "third" });
      await expectError("QUERY_BAD_ID", () => things.update("a", { _id: "b", name: "" }));
      assert.equal(await things.update("b", { name: "b" }), false);
      assert.equal(await things.get("b"), undefined);
      assert.equal(await things.update("b", { name: "b" }, { upsert: true }), true);
      assert.equal((await things.getDocument("b"))!._version, 1);
      assert.equal(await things.update("b", { name: "b2" }, { upsert: true }), true);
      assert.equal((await things.getDocument("b"))!._version, 2);
    },
  },
  {
    name: "update and delete keep to ifVersion, which is the document's _version",
    async run(database) {
      const things = database.collection<Thing>("things");
      await things.insert({ _id: "a", name: "1" });
      for (const ifVersion of [0, 2]) {
        await expectError("VERSION_MISMATCH", () =>
          things.update("a", { name: "2" }, { ifVersion }),
        );
        await expectError("VERSION_MISMATCH", () => things.delete("a", { ifVersion }));
      }
      assert.equal(await things.update("a", { name: "2" }, { ifVersion: 1 }), true);
      const error = await expectError("VERSION_MISMATCH", () =>
        things.update("a", { name: "3" }, { ifVersion: 1 }),
      );
      assert.equal(error.details["found"], 2);
      assert.deepEqual(await things.get("a"), { _id: "a", name: "2" });
      assert.equal(await things.delete("a", { ifVersion: 2 }), true);
      assert.equal(await things.delete("a"), false);
      assert.equal(await things.delete("a", { ifVersion: 0 }), false);
      assert.equal(await things.update("a", { name: "1" }, { ifVersion: 0 }), false);
      assert.equal(await things.update("a", { name: "1" }, { ifVersion: 0, upsert: true }), true);
      for (const ifVersion of [-1, 0.5, Number.NaN]) {
        await expectError("BAD_OPTION", () => things.update("a", { name: "" }, { ifVersion }));
        await expectError("BAD_OPTION", () => things.delete("a", { ifVersion }));
      }
    },
  },
  {
    name: "documents hold values of every type, also under dangerous names",
    async run(database) {
      const things = database.collection<object>("things");
      const document = {
        ...(JSON.parse(
          '{"__proto__": {"polluted": 1}, "constructor": {"prototype": 2}}',
        ) as object),
        date: new Date(5),
        big: 2n ** 60n,
        zero: -0,
        deep: { list: [{ a: [null] }] },
        "": 1,
        "a.b": 2,
      };
      const id = await things.insert(document);
      const found = (await things.get(id))!;
      assert.deepEqual(Object.keys(found), ["_id", ...Object.keys(document)]);
      assert.equal(Object.getPrototypeOf(found), Object.prototype);
      assert.equal((found as { polluted?: unknown }).polluted, undefined);
      const { data } = (await things.getDocument(id))!;
      assert.deepEqual(data, document);
      assert.deepEqual(await things.find().toArray(), [found]);
      assert.equal(await things.count({ constructor: { prototype: 2 } }), 1);
      assert.equal(await things.count({ "constructor.prototype": 2 }), 1);
      assert.equal(await things.count({ toString: { $exists: true } }), 0);
    },
  },
  {
    name: "collections have names of letters, digits and three signs, and are told apart",
    async run(database) {
      for (const name of ["", "a/b", "ä", "a b", "x".repeat(129)]) {
        await expectError("QUERY_BAD_NAME", () => database.collection(name).insert({}));
      }
      const names = [
        "a",
        "A",
        "a.b",
        "a_b",
        "a-b",
        "1",
        "x".repeat(128),
        "__proto__",
        "constructor",
      ];
      for (const name of names) await database.collection(name).insert({ _id: "same", name });
      for (const name of names) {
        const collection = database.collection(name);
        assert.deepEqual(await collection.find().toArray(), [{ _id: "same", name }]);
      }
      assert.deepEqual((await database.stats()).collections, names.toSorted());
      assert.equal(await database.kv.get("same"), undefined);
    },
  },
];
