import assert from "node:assert/strict";
import { type KeyOperation } from "@kvs/protocol";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";
import { collect } from "../walks.ts";

/** One value, at least, of everything that a document may hold. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  1.5,
  -1,
  2 ** 31,
  -(2 ** 31) - 1,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_VALUE,
  Number.MAX_VALUE,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2n ** 63n - 1n,
  -(2n ** 63n),
  2n ** 64n - 1n,
  "",
  "text",
  "\u0000",
  "ünï\u0301cödé 😀 日本語 \u202e",
  "x".repeat(70_000),
  new Date(0),
  new Date(-1),
  new Date(8.64e15),
  new Date("2025-02-28T23:59:59.999Z"),
  [],
  [1, [2, [3, [null]]], {}],
  {},
  { a: { b: { c: [{ d: -0 }] } }, "": 1, "a.b": 2, $c: 3, "😀": 4 },
  { b: 1, a: 2, 1: 3 },
];

export const VALUE_CASES: readonly ConformanceCase[] = [
  {
    name: "values of every type come back as they were put",
    async run({ kv }) {
      for (const [key, value] of VALUES.entries()) await kv.put(key, value);
      for (const [key, value] of VALUES.entries()) assert.deepEqual(await kv.get(key), value);
      const entries = await collect(kv.scan());
      for (const [at, { value }] of entries.entries()) assert.deepEqual(value, VALUES[at]);
    },
  },
  {
    name: "bytes come back as bytes of the reader's own",
    async run({ kv }) {
      const put = Uint8Array.from({ length: 300 }, (_, at) => at);
      await kv.put("bytes", { bytes: put });
      for (let round = 0; round < 2; round++) {
        const found = await kv.get<{ bytes: Uint8Array }>("bytes");
        assert.equal(Object.prototype.toString.call(found!.bytes), "[object Uint8Array]");
        assert.equal(Buffer.compare(found!.bytes, put), 0);
        found!.bytes.fill(9);
      }
    },
  },
  {
    name: "a bigint that is a safe integer comes back as a number; undefined members are absent",
    async run({ kv }) {
      await kv.put("key", { small: 5n, absent: undefined });
      assert.deepEqual(await kv.get("key"), { small: 5 });
    },
  },
  {
    name: "a value of 5 MB comes back whole, beside small ones",
    async run(database) {
      const big = {
        text: "0123456789".repeat(500_000),
        list: Array.from({ length: 1000 }, (_, at) => at),
      };
      await database.kv.put("big", big);
      await database.kv.put("small", 1);
      assert.deepEqual(await database.kv.get("big"), big);
      const entries = await collect(database.kv.scan());
      assert.deepEqual(
        entries.map(({ key, value }) => [key, value]),
        [
          ["big", big],
          ["small", 1],
        ],
      );
      const documents = database.collection("big");
      await documents.insert({ _id: "one", ...big });
      assert.deepEqual(await documents.get("one"), { _id: "one", ...big });
      await database.kv.put("big", "small now");
      assert.equal(await database.kv.get("big"), "small now");
    },
  },
  {
    name: "values that cannot be are refused with a code, and nothing happens",
    async run(database) {
      const { kv } = database;
      const documents = database.collection<{ value: unknown }>("documents");
      const cycle: unknown[] = [];
      cycle.push(cycle);
      const table: readonly (readonly [unknown, string])[] = [
        [() => 1, "CODEC_UNSUPPORTED"],
        [Symbol("s"), "CODEC_UNSUPPORTED"],
        [new Map(), "CODEC_UNSUPPORTED"],
        [[undefined], "CODEC_UNSUPPORTED"],
        [2n ** 64n, "CODEC_UNSUPPORTED"],
        ["\ud800", "CODEC_UNSUPPORTED"],
        [new Date(Number.NaN), "CODEC_UNSUPPORTED"],
        [cycle, "CODEC_TOO_DEEP"],
        [nested(101), "CODEC_TOO_DEEP"],
        ["x".repeat((16 << 20) + 1), "CODEC_TOO_LARGE"],
      ];
      for (const [value, code] of table) {
        await expectError(code, () => kv.put("key", value));
        await expectError(code, () =>
          kv.batch([
            { type: "put", key: "fine", value: 1 },
            { type: "put", key: "key", value },
          ]),
        );
        await expectError(code, () => documents.insert({ value }));
        await expectError(code, () => documents.insertMany([{ value: 1 }, { value }]));
        await expectError(code, () => documents.update("id", { value }, { upsert: true }));
      }
      await expectError("CODEC_UNSUPPORTED", () => kv.put("key", undefined));
      assert.deepEqual(await collect(kv.scan()), []);
      assert.equal(await documents.count(), 0);
      await kv.put("deep", nested(100));
      assert.deepEqual(await kv.get("deep"), nested(100));
    },
  },
  {
    name: "a batch is all or nothing, and of several operations on one key the last one counts",
    async run({ kv }) {
      const before = await kv.put("b", "before");
      const { version } = await kv.batch([
        { type: "put", key: "a", value: 1 },
        { type: "put", key: "a", value: 2 },
        { type: "delete", key: "b" },
        { type: "put", key: "c", value: 1 },
        { type: "delete", key: "c" },
        { type: "delete", key: "d" },
        { type: "put", key: "d", value: 4 },
        { type: "delete", key: "never there" },
      ]);
      assert.ok(version > before.version);
      assert.deepEqual(await collect(kv.scan()), [
        { key: "a", value: 2, version },
        { key: "d", value: 4, version },
      ]);
      const nothing = await kv.batch([]);
      assert.ok(nothing.version >= version);
    },
  },
  {
    name: "a batch of 20,000 operations is one version",
    async run({ kv }) {
      const operations: KeyOperation[] = Array.from({ length: 20_000 }, (_, at) => ({
        type: "put",
        key: ["many", at],
        value: { at },
      }));
      const { version } = await kv.batch(operations);
      const entries = await collect(kv.scan({ prefix: ["many"] }));
      assert.equal(entries.length, 20_000);
      assert.ok(entries.every((entry) => entry.version === version));
    },
  },
  {
    name: "a batch of more operations than the limit is refused, and nothing happens",
    async run(database) {
      const operations: KeyOperation[] = Array.from({ length: 100_001 }, (_, key) => ({
        type: "put",
        key,
        value: null,
      }));
      await expectError("BATCH_TOO_LARGE", () => database.kv.batch(operations));
      const documents = Array.from({ length: 100_001 }, () => ({}));
      await expectError("BATCH_TOO_LARGE", () => database.collection("many").insertMany(documents));
      assert.deepEqual(await collect(database.kv.scan()), []);
      assert.equal(await database.collection("many").count(), 0);
    },
  },
  {
    name: "what a caller changes after a call is not what is stored",
    async run(database) {
      const value = { list: [1] };
      const bytes = Uint8Array.of(1);
      const put = database.kv.put([bytes], value);
      const documents = database.collection<{ list: number[] }>("documents");
      await documents.insert({ ...value, _id: "old" } as { list: number[] });
      const document = { list: [1] };
      const inserted = documents.insert(document);
      const replacement = { list: [1] };
      const updated = documents.update("old", replacement);
      for (const changed of [value, document, replacement]) changed.list.push(2);
      bytes[0] = 2;
      await put;
      await updated;
      assert.deepEqual(await database.kv.get([Uint8Array.of(1)]), { list: [1] });
      assert.deepEqual((await documents.get(await inserted))!.list, [1]);
      assert.deepEqual((await documents.get("old"))!.list, [1]);
    },
  },
];

/** Arrays within each other. */
function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}
