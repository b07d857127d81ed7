import assert from "node:assert/strict";
import { type Key } from "@kvs/codec";
import { type KeyOperation, type KeyRangeOptions } from "@kvs/protocol";
import { type ConformanceCase } from "../conformance-case.ts";
import { collect, keysOf, wait } from "../walks.ts";

/** More than one step of any walk takes. */
const MANY = 2500;

export const SCAN_CASES: readonly ConformanceCase[] = [
  {
    name: "a scan keeps to its bounds, forwards and backwards",
    async run({ kv }) {
      await kv.batch(Array.from({ length: 10 }, (_, key) => ({ type: "put", key, value: key })));
      const table: readonly (readonly [KeyRangeOptions, readonly number[]])[] = [
        [{ gt: 7 }, [8, 9]],
        [{ gte: 7 }, [7, 8, 9]],
        [{ lt: 2 }, [0, 1]],
        [{ lte: 2 }, [0, 1, 2]],
        [{ gt: 2, lt: 5 }, [3, 4]],
        [{ gte: 2, lte: 5 }, [2, 3, 4, 5]],
        [{ gt: 2, gte: 4, lt: 9, lte: 6 }, [4, 5, 6]],
        [{ gt: 2.5, lt: 4.5 }, [3, 4]],
        [{ gt: 5, lt: 5 }, []],
        [{ gte: 5, lte: 5 }, [5]],
        [{ gt: 8, lt: 2 }, []],
        [{ gte: "text" }, []],
        [{ lt: null }, []],
        [{ gte: null, lte: "" }, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
        [{ prefix: 4 }, [4]],
        [{ prefix: "4" }, []],
      ];
      for (const [range, expected] of table) {
        assert.deepEqual(await keysOf(kv.scan(range)), expected);
        const backwards = await keysOf(kv.scan({ ...range, reverse: true }));
        assert.deepEqual(backwards, expected.toReversed());
        assert.deepEqual(await keysOf(kv.scan({ ...range, limit: 2 })), expected.slice(0, 2));
        const last = await keysOf(kv.scan({ ...range, limit: 1, reverse: true }));
        assert.deepEqual(last, expected.slice(-1));
        assert.deepEqual(await keysOf(kv.scan({ ...range, limit: 0 })), []);
      }
    },
  },
  {
    name: "a prefix is a text that keys begin with, or the first parts of a tuple",
    async run({ kv }) {
      const keys: Key[] = [
        "a",
        "ab",
        "ab\u0000",
        "ab\uffff",
        "abc",
        "b",
        ["a"],
        ["ab", 1],
        ["ab", 2],
      ];
      keys.push(["ab", 2, "x"], ["ab\u0000", 1], ["b"], Uint8Array.of(97, 98));
      await kv.batch(keys.map((key) => ({ type: "put", key, value: 0 })));
      assert.deepEqual(await keysOf(kv.scan({ prefix: "ab" })), [
        "ab",
        "ab\u0000",
        "abc",
        "ab\uffff",
      ]);
      assert.equal((await keysOf(kv.scan({ prefix: "" }))).length, 6);
      assert.deepEqual(await keysOf(kv.scan({ prefix: ["ab"] })), [
        ["ab", 1],
        ["ab", 2],
        ["ab", 2, "x"],
      ]);
      assert.deepEqual(await keysOf(kv.scan({ prefix: ["ab", 2] })), [
        ["ab", 2],
        ["ab", 2, "x"],
      ]);
      assert.equal((await keysOf(kv.scan({ prefix: [] }))).length, 6);
      const within = kv.scan({ prefix: ["ab"], gt: ["ab", 1], reverse: true });
      assert.deepEqual(await keysOf(within), [
        ["ab", 2, "x"],
        ["ab", 2],
      ]);
      assert.deepEqual(await keysOf(kv.scan({ prefix: "nothing" })), []);
    },
  },
  {
    name: "keysOnly leaves values out and keeps versions",
    async run({ kv }) {
      const { version } = await kv.put("key", "x".repeat(10_000));
      assert.deepEqual(await collect(kv.scan({ keysOnly: true })), [
        { key: "key", value: undefined, version },
      ]);
    },
  },
  {
    name: "a long scan gives every key once, in order, in both directions",
    async run({ kv }) {
      await kv.batch(numbered(MANY, 0));
      const expected = Array.from({ length: MANY }, (_, key) => key);
      assert.deepEqual(await keysOf(kv.scan()), expected);
      assert.deepEqual(
        await keysOf(kv.scan({ reverse: true, keysOnly: true })),
        expected.toReversed(),
      );
      assert.deepEqual(await keysOf(kv.scan({ limit: 1234 })), expected.slice(0, 1234));
    },
  },
  {
    name: "leaving a scan early, or failing in it, lets everything go",
    async run(database) {
      const { kv } = database;
      await kv.batch(numbered(MANY, 0));
      for (let round = 0; round < 150; round++) {
        for await (const { key } of kv.scan()) if (key === round) break;
      }
      await assert.rejects(async () => {
        for await (const _ of kv.scan({ reverse: true })) throw new Error("enough");
      }, /enough/);
      for (let round = 0; (await database.stats()).openCursors > 0; round++) {
        assert.ok(round < 500, "no cursor stays open");
        await wait(10);
      }
    },
  },
  {
    name: "scans may run beside each other, and be begun again",
    async run({ kv }) {
      await kv.batch(numbered(MANY, 7));
      const scan = kv.scan({ limit: 3 });
      assert.deepEqual(await keysOf(scan), [0, 1, 2]);
      const all = await Promise.all(Array.from({ length: 8 }, () => keysOf(kv.scan())));
      for (const keys of all) assert.equal(keys.length, MANY);
    },
  },
  {
    name: "a scan sees one moment while writers run",
    async run({ kv }) {
      await kv.batch(numbered(MANY, 0));
      const state = { isDone: false };
      const writer = (async () => {
        for (let round = 1; !state.isDone; round++) await kv.batch(numbered(MANY, round));
      })();
      try {
        for (let round = 0; round < 5; round++) {
          const entries = await collect(kv.scan({ reverse: round % 2 === 1 }));
          assert.equal(entries.length, MANY);
          const first = entries[0]!;
          for (const { value, version } of entries) {
            assert.equal(value, first.value);
            assert.equal(version, first.version);
          }
        }
      } finally {
        state.isDone = true;
        await writer;
      }
    },
  },
  {
    name: "a scan that has begun sees neither later writes nor later deletes",
    async run({ kv }) {
      await kv.batch(numbered(MANY, "before"));
      const seen: unknown[] = [];
      for await (const { key, value } of kv.scan()) {
        if (key === 0) {
          await kv.batch(numbered(MANY / 2, "after"));
          await kv.batch(
            Array.from({ length: MANY / 2 }, (_, at) => ({ type: "delete", key: at + MANY / 2 })),
          );
          await kv.put("new", "after");
        }
        seen.push(value);
      }
      assert.equal(seen.length, MANY);
      assert.ok(seen.every((value) => value === "before"));
    },
  },
];

function numbered(count: number, value: unknown): KeyOperation[] {
  return Array.from({ length: count }, (_, key) => ({ type: "put", key, value }));
}
