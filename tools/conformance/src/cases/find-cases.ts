import assert from "node:assert/strict";
import { type FindQuery } from "@kvs/protocol";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";
import { collect, wait } from "../walks.ts";

/** What the filters are asked about: `_id` tells one from the other. */
const DOCUMENTS: readonly object[] = [
  { _id: "a", n: 1, s: "apple", tags: ["red", "sweet"], at: { city: "Bern", zip: 3000 } },
  { _id: "b", n: 2, s: "Banana", tags: ["yellow"], at: { city: "Basel" } },
  { _id: "c", n: 2.5, s: "cherry", tags: [], list: [1, 5, 9] },
  {
    _id: "d",
    n: null,
    s: "date",
    list: [
      { k: 1, v: "x" },
      { k: 2, v: "y" },
    ],
  },
  { _id: "e", n: "2", flag: true, when: new Date(1000), big: 2n ** 60n },
  { _id: "f", n: [2, 30], flag: false, bytes: Uint8Array.of(1, 2) },
];

/** Each operator of the language with what it finds. */
const FILTERS: readonly (readonly [object, string])[] = [
  [{}, "abcdef"],
  [{ n: 2 }, "bf"],
  [{ n: { $eq: 2.5 } }, "c"],
  [{ n: { $ne: 2 } }, "acde"],
  [{ n: { $gt: 2 } }, "cf"],
  [{ n: { $gte: 2 } }, "bcf"],
  [{ n: { $lt: 2 } }, "a"],
  [{ n: { $lte: 2 } }, "abf"],
  [{ n: { $gt: 1, $lt: 3 } }, "bcf"],
  [{ n: { $in: [1, null] } }, "ad"],
  [{ n: { $nin: [1, null] } }, "bcef"],
  [{ n: null }, "d"],
  [{ s: null }, "ef"],
  [{ flag: { $exists: true } }, "ef"],
  [{ flag: { $exists: false } }, "abcd"],
  [{ n: { $type: "string" } }, "e"],
  [{ n: { $type: ["null", "double"] } }, "cd"],
  [{ n: { $type: "array" } }, "f"],
  [{ when: { $type: "date" }, big: { $type: "long" } }, "e"],
  [{ bytes: { $type: 5 } }, "f"],
  [{ tags: "red" }, "a"],
  [{ tags: ["yellow"] }, "b"],
  [{ tags: { $all: ["sweet", "red"] } }, "a"],
  [{ tags: { $size: 0 } }, "c"],
  [{ tags: { $size: 2 } }, "a"],
  [{ list: { $elemMatch: { $gt: 2, $lt: 6 } } }, "c"],
  [{ list: { $elemMatch: { k: 2, v: "y" } } }, "d"],
  [{ list: { $elemMatch: { k: 1, v: "y" } } }, ""],
  [{ "list.k": 2 }, "d"],
  [{ "list.1": 5 }, "c"],
  [{ "at.city": "Bern" }, "a"],
  [{ "at.zip": { $exists: false } }, "bcdef"],
  [{ at: { city: "Basel" } }, "b"],
  [{ s: { $regex: "^[a-c]" } }, "ac"],
  [{ s: { $regex: "^B", $options: "i" } }, "b"],
  [{ s: { $not: { $regex: "a" } } }, "cef"],
  [{ $and: [{ n: 2 }, { n: 30 }] }, "f"],
  [{ $or: [{ n: 1 }, { s: "date" }] }, "ad"],
  [{ $nor: [{ n: 2 }, { s: "apple" }] }, "cde"],
  [{ n: { $not: { $gt: 1 } } }, "ade"],
  [{ flag: true }, "e"],
  [{ when: { $gte: new Date(999), $lt: new Date(1001) } }, "e"],
  [{ big: 2n ** 60n }, "e"],
  [{ bytes: Uint8Array.of(1, 2) }, "f"],
  [{ _id: "c" }, "c"],
  [{ _id: "c", n: 1 }, ""],
  [{ _id: { $in: ["b", "x", "d"] } }, "bd"],
  [{ _id: { $gt: "d" } }, "ef"],
  [{ $or: [{ _id: "a" }, { _id: "f" }] }, "af"],
  [{ _id: 5 }, ""],
];

const BAD_QUERIES: readonly (readonly [FindQuery, string])[] = [
  [{ filter: { n: { $gtt: 1 } } }, "QUERY_UNKNOWN_OPERATOR"],
  [{ filter: { $foo: [] } }, "QUERY_UNKNOWN_OPERATOR"],
  [{ filter: { $where: "1" } }, "QUERY_UNKNOWN_OPERATOR"],
  [{ filter: { n: { $in: 5 } } }, "QUERY_BAD_OPERAND"],
  [{ filter: { $and: [] } }, "QUERY_BAD_OPERAND"],
  [{ filter: { "a..b": 1 } }, "QUERY_BAD_PATH"],
  [{ filter: { s: { $regex: "(" } } }, "QUERY_BAD_REGEX"],
  [{ filter: { s: { $regex: "(a)\\1" } } }, "QUERY_BAD_REGEX"],
  [{ sort: { n: 2 as 1 } }, "QUERY_BAD_OPERAND"],
  [{ projection: { a: 1, b: 0 } }, "QUERY_BAD_PROJECTION"],
];

export const FIND_CASES: readonly ConformanceCase[] = [
  {
    name: "each operator of a filter finds what it says",
    async run(database) {
      const things = database.collection("things");
      await things.insertMany(DOCUMENTS);
      for (const [filter, expected] of FILTERS) {
        const found = await things.find({ filter }).toArray();
        const shown = JSON.stringify(filter, (_, value: unknown) =>
          typeof value === "bigint" ? String(value) : value,
        );
        assert.equal(found.map(({ _id }) => _id).join(""), expected, shown);
        assert.equal(await things.count(filter), expected.length, shown);
        const first = await things.find({ filter }).first();
        assert.equal(first?._id, expected[0], shown);
      }
      assert.deepEqual(await things.find().toArray(), DOCUMENTS);
    },
  },
  {
    name: "a regular expression of JavaScript finds what its text finds",
    async run(database) {
      const things = database.collection("things");
      await things.insertMany(DOCUMENTS);
      assert.equal(await things.count({ s: /^[a-c]/ }), 2);
      assert.equal(await things.count({ s: /^b/i }), 1);
      assert.equal(await things.count({ s: { $in: [/^d/, "apple"] } }), 2);
      assert.equal(await things.count({ s: { $not: /a/ } }), 3);
    },
  },
  {
    name: "a sort orders across types, and keeps the order of equals",
    async run(database) {
      const things = database.collection<{ _id: string; v?: unknown; w?: number }>("things");
      const inOrder: { _id: string; v?: unknown }[] = [
        { _id: "5", v: [] },
        { _id: "3" },
        { _id: "8", v: null },
        { _id: "2", v: Number.NaN },
        { _id: "9", v: -1 },
        { _id: "a", v: 2n ** 60n },
        { _id: "1", v: "A" },
        { _id: "7", v: "a" },
        { _id: "6", v: { a: 1 } },
        { _id: "0", v: Uint8Array.of(1) },
        { _id: "4", v: false },
        { _id: "b", v: true },
        { _id: "c", v: new Date(0) },
      ];
      await things.insertMany(inOrder.toReversed());
      const found = await things.find({ sort: { v: 1 } }).toArray();
      assert.equal(found.map(({ _id }) => _id).join(""), inOrder.map(({ _id }) => _id).join(""));
      const down = await things.find({ sort: { v: -1, _id: 1 }, limit: 3 }).toArray();
      assert.equal(down.map(({ _id }) => _id).join(""), "cb4");
      const byId = await things.find({ sort: { w: 1 } }).toArray();
      assert.equal(byId.map(({ _id }) => _id).join(""), "0123456789abc");
    },
  },
  {
    name: "skip, limit and projection cut and shape what is found",
    async run(database) {
      const things = database.collection<{ n: number; a: { b: number; c: number } }>("things");
      const ids = Array.from({ length: 30 }, (_, n) => `id-${String(n).padStart(2, "0")}`);
      await things.insertMany(ids.map((_id, n) => ({ _id, n, a: { b: n, c: -n } })));
      for (const sort of [undefined, { n: 1 } as const, { "a.c": 1 } as const]) {
        const order = sort !== undefined && "a.c" in sort ? ids.toReversed() : ids;
        const query = sort === undefined ? {} : { sort };
        for (const [skip, limit] of [
          [0, 5],
          [5, 5],
          [28, 5],
          [30, 5],
          [99, 1],
          [0, 0],
          [3, 0],
        ] as const) {
          const found = await things.find({ ...query, skip, limit }).toArray();
          assert.deepEqual(
            found.map(({ _id }) => _id),
            order.slice(skip, skip + limit),
          );
          assert.equal(await things.find({ ...query, skip, limit }).count(), found.length);
          const first = await things.find({ ...query, skip, limit }).first();
          assert.deepEqual(first, found[0]);
        }
        const rest = await things.find({ ...query, skip: 27 }).toArray();
        assert.equal(rest.length, 3);
      }
      const one = { filter: { n: 7 } };
      const shapes: readonly (readonly [FindQuery["projection"] & object, object])[] = [
        [{ n: 1 }, { _id: "id-07", n: 7 }],
        [{ n: true, _id: 0 }, { n: 7 }],
        [{ a: 0 }, { _id: "id-07", n: 7 }],
        [{ "a.b": 1, _id: false }, { a: { b: 7 } }],
        [{ _id: 0 }, { n: 7, a: { b: 7, c: -7 } }],
        [{}, { _id: "id-07", n: 7, a: { b: 7, c: -7 } }],
      ];
      for (const [projection, expected] of shapes) {
        assert.deepEqual(await things.find({ ...one, projection }).toArray(), [expected]);
      }
    },
  },
  {
    name: "a query that is none is refused with a code, when the cursor is first used",
    async run(database) {
      const things = database.collection("things");
      await things.insertMany(DOCUMENTS);
      for (const [query, code] of BAD_QUERIES) {
        things.find(query);
        await expectError(code, () => things.find(query).toArray());
        await expectError(code, () => things.find(query).first());
        // Neither order nor shape changes a count: whether they are looked at is left open.
        const isCounted = query.sort === undefined && query.projection === undefined;
        if (isCounted) await expectError(code, () => things.find(query).count());
        await expectError(code, () => collect(things.find(query)));
      }
      const error = await expectError("QUERY_UNKNOWN_OPERATOR", () =>
        things.count({ n: { $gtt: 1 } }),
      );
      assert.match(error.message, /did you mean \$gte?\?/);
    },
  },
  {
    name: "a filter or sort that is no object is refused with a code",
    async run(database) {
      const things = database.collection("things");
      await things.insertMany(DOCUMENTS);
      for (const part of [[], 5, "text", true] as unknown as object[]) {
        await expectError("QUERY_BAD_OPERAND", () => things.find({ filter: part }).toArray());
        await expectError("QUERY_BAD_OPERAND", () => things.count(part));
      }
      await expectError("QUERY_BAD_OPERAND", () => things.find({ sort: 5 as never }).toArray());
    },
  },
  {
    name: "a skip or limit out of its range is refused with a code",
    async run(database) {
      const things = database.collection("things");
      await things.insertMany(DOCUMENTS);
      for (const query of [{ skip: -1 }, { skip: 0.5 }, { limit: -1 }, { limit: Number.NaN }]) {
        await expectError("BAD_OPTION", () => things.find(query).toArray());
        await expectError("BAD_OPTION", () => things.find(query).count());
      }
    },
  },
  {
    name: "a catastrophic regular expression does no harm",
    async run(database) {
      const things = database.collection<{ s: string }>("things");
      await things.insert({ s: `${"a".repeat(50_000)}!` });
      assert.equal(await things.count({ s: { $regex: "^(a+)+$" } }), 0);
      assert.equal(await things.count({ s: { $regex: "^(a|aa)*(a|a?)+!$" } }), 1);
      await expectError("QUERY_BAD_REGEX", () =>
        things.count({ s: { $regex: "((a{100}){100}){100}" } }),
      );
    },
  },
  {
    name: "a cursor is used once",
    async run(database) {
      const things = database.collection("things");
      await things.insertMany(DOCUMENTS);
      const uses = [
        (cursor: ReturnType<typeof things.find>) => cursor.toArray(),
        (cursor: ReturnType<typeof things.find>) => cursor.first(),
        (cursor: ReturnType<typeof things.find>) => cursor.count(),
        (cursor: ReturnType<typeof things.find>) => collect(cursor),
      ];
      for (const first of uses) {
        for (const second of uses) {
          const cursor = things.find();
          await first(cursor);
          await expectError("BAD_OPTION", () => second(cursor));
        }
      }
    },
  },
  {
    name: "leaving the loop of a cursor early lets everything go",
    async run(database) {
      const things = database.collection<{ n: number }>("things");
      await things.insertMany(Array.from({ length: 1500 }, (_, n) => ({ n })));
      for (let round = 0; round < 120; round++) {
        for await (const _ of things.find({ filter: { n: { $gte: 0 } } })) break;
        await things.find(round % 2 === 0 ? {} : { sort: { n: -1 } }).first();
      }
      for (let round = 0; (await database.stats()).openCursors > 0; round++) {
        assert.ok(round < 500, "no cursor stays open");
        await wait(10);
      }
      assert.equal((await things.find().toArray()).length, 1500);
    },
  },
  {
    name: "a find sees one moment while writers run",
    async run(database) {
      const things = database.collection<{ _id: string; round: number }>("things");
      const ids = Array.from({ length: 1200 }, (_, at) => String(at));
      await things.insertMany(ids.map((_id) => ({ _id, round: 0 })));
      let seen = 0;
      for await (const { _id, round } of things.find()) {
        assert.equal(round, 0);
        if (seen++ === 0) {
          await Promise.all(
            ids.slice(0, 600).map((id) => things.update(id, { _id: id, round: 1 })),
          );
          await Promise.all(ids.slice(600).map((id) => things.delete(id)));
          await things.insert({ _id: "zzz", round: 2 });
        }
        assert.notEqual(_id, "zzz");
      }
      assert.equal(seen, 1200);
      assert.equal(await things.count(), 601);
    },
  },
];
