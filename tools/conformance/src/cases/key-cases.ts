import assert from "node:assert/strict";
import { type Key, compareKeys } from "@kvs/codec";
import { type ConformanceCase } from "../conformance-case.ts";
import { expectError } from "../expect-error.ts";
import { collect, keysOf, wait } from "../walks.ts";

/** Keys of every type, in order. */
const ORDERED: readonly Key[] = [
  null,
  false,
  true,
  Number.NEGATIVE_INFINITY,
  -1e300,
  -2,
  -1.5,
  0,
  Number.MIN_VALUE,
  1,
  2,
  10,
  2 ** 53,
  Number.POSITIVE_INFINITY,
  "",
  "\u0000",
  "\u0001",
  "0",
  "A",
  "a",
  "a\u0000b",
  "a\u0001",
  "aa",
  "ab",
  "b",
  "é",
  "\uffff",
  "😀",
  new Uint8Array(),
  Uint8Array.of(0),
  Uint8Array.of(0, 0),
  Uint8Array.of(1),
  Uint8Array.of(255),
  [],
  [null],
  [null, null],
  [false],
  [1],
  [1, "a"],
  [1, "a", 0],
  [1, "b"],
  [2],
  ["a"],
  ["a", 1],
  ["a", "a"],
  ["ab"],
  [Uint8Array.of(0)],
];

/** Names that are dangerous as members of objects. */
const TRICKY = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];

export const KEY_CASES: readonly ConformanceCase[] = [
  {
    name: "an absent key is undefined, and no error",
    async run({ kv }) {
      assert.equal(await kv.get("nothing"), undefined);
      assert.equal(await kv.getEntry("nothing"), undefined);
      assert.equal(await kv.delete("nothing"), false);
      assert.deepEqual(await collect(kv.scan()), []);
      assert.equal(await kv.delete("nothing", { ifVersion: 0 }), false);
    },
  },
  {
    name: "a key of any type is found again, and comes back as it was put",
    async run({ kv }) {
      for (const [at, key] of ORDERED.entries()) await kv.put(key, at);
      for (const [at, key] of ORDERED.entries()) assert.equal(await kv.get(key), at);
      const entries = await collect(kv.scan());
      assert.deepEqual(
        entries.map(({ key }) => plain(key)),
        ORDERED.map((key) => plain(key)),
      );
    },
  },
  {
    name: "keys come in the order of their types, then of their values",
    async run({ kv }) {
      const shuffled = ORDERED.toSorted((left, right) => hash(left) - hash(right));
      await kv.batch(shuffled.map((key) => ({ type: "put", key, value: null })));
      const keys = await keysOf(kv.scan());
      assert.equal(keys.length, ORDERED.length);
      for (let at = 1; at < keys.length; at++) {
        assert.ok(compareKeys(keys[at - 1]!, keys[at]!) < 0);
      }
    },
  },
  {
    name: "-0 and 0 are one key; a tuple of one part is another key than the part",
    async run({ kv }) {
      await kv.put(-0, "zero");
      assert.equal(await kv.get(0), "zero");
      await kv.put("a", "part");
      await kv.put(["a"], "tuple");
      assert.equal(await kv.get("a"), "part");
      assert.equal(await kv.get(["a"]), "tuple");
    },
  },
  {
    name: "a put answers the version that the entry then has; versions grow",
    async run({ kv }) {
      let last = 0;
      for (let round = 0; round < 20; round++) {
        const { version } = await kv.put("key", round);
        assert.ok(Number.isSafeInteger(version) && version > last);
        assert.deepEqual(await kv.getEntry("key"), { value: round, version });
        last = version;
      }
      const [entry] = await collect(kv.scan());
      assert.deepEqual(entry, { key: "key", value: 19, version: last });
    },
  },
  {
    name: "a put with ifVersion happens only at that version, 0 meaning absence",
    async run({ kv }) {
      const first = await kv.put("key", 1, { ifVersion: 0 });
      await expectError("VERSION_MISMATCH", () => kv.put("key", 2, { ifVersion: 0 }));
      const wrong = await expectError("VERSION_MISMATCH", () =>
        kv.put("key", 2, { ifVersion: first.version + 1 }),
      );
      assert.equal(wrong.details["found"], first.version);
      assert.equal(wrong.retryable, false);
      assert.deepEqual(await kv.getEntry("key"), { value: 1, version: first.version });
      const second = await kv.put("key", 2, { ifVersion: first.version });
      await expectError("VERSION_MISMATCH", () => kv.put("key", 3, { ifVersion: first.version }));
      assert.deepEqual(await kv.getEntry("key"), { value: 2, version: second.version });
      await expectError("VERSION_MISMATCH", () => kv.put("other", 1, { ifVersion: 5 }));
      assert.equal(await kv.get("other"), undefined);
    },
  },
  {
    name: "a delete answers whether the key was there, and keeps to ifVersion",
    async run({ kv }) {
      await expectError("VERSION_MISMATCH", () => kv.delete("key", { ifVersion: 7 }));
      const { version } = await kv.put("key", 1);
      await expectError("VERSION_MISMATCH", () => kv.delete("key", { ifVersion: 0 }));
      await expectError("VERSION_MISMATCH", () => kv.delete("key", { ifVersion: version + 1 }));
      assert.equal(await kv.get("key"), 1);
      assert.equal(await kv.delete("key", { ifVersion: version }), true);
      assert.equal(await kv.get("key"), undefined);
      assert.equal(await kv.delete("key"), false);
      await expectError("VERSION_MISMATCH", () => kv.put("key", 1, { ifVersion: version }));
      await kv.put("key", 2, { ifVersion: 0 });
      assert.equal(await kv.delete("key"), true);
    },
  },
  {
    name: "names of inherited members are keys and fields like all others",
    async run({ kv }) {
      const value = JSON.parse(
        '{"__proto__": {"a": 1}, "constructor": 2, "prototype": 3}',
      ) as object;
      for (const name of TRICKY) {
        assert.equal(await kv.get(name), undefined);
        await kv.put(name, value);
        await kv.put([name, name], name);
      }
      for (const name of TRICKY) {
        const found = await kv.get<object>(name);
        assert.deepEqual(Object.keys(found!), ["__proto__", "constructor", "prototype"]);
        assert.equal(Object.getPrototypeOf(found), Object.prototype);
        assert.equal(JSON.stringify(found), JSON.stringify(value));
        assert.equal(await kv.get([name, name]), name);
        assert.equal(await kv.delete(name), true);
      }
      assert.equal(({} as { a?: unknown }).a, undefined);
    },
  },
  {
    name: "keys that cannot be are refused with a code, and nothing happens",
    async run({ kv }) {
      const long = "x".repeat(1024);
      for (const act of [
        () => kv.get(long),
        () => kv.getEntry(long),
        () => kv.put(long, 1),
        () => kv.delete(long),
        () =>
          kv.batch([
            { type: "put", key: "fine", value: 1 },
            { type: "delete", key: long },
          ]),
      ]) {
        await expectError("CODEC_KEY_TOO_LARGE", act);
      }
      const wrong = [Number.NaN, "\ud800", [["nested"]], undefined, {}, new Date(0)];
      for (const key of wrong as Key[]) {
        await expectError("CODEC_UNSUPPORTED", () => kv.put(key, 1));
        await expectError("CODEC_UNSUPPORTED", () => kv.get(key));
      }
      assert.deepEqual(await collect(kv.scan()), []);
      const longest = "x".repeat(1022);
      await kv.put(longest, "longest");
      assert.equal(await kv.get(longest), "longest");
    },
  },
  {
    name: "options out of their range are refused with a code, and nothing happens",
    async run({ kv }) {
      for (const ifVersion of [-1, 0.5, Number.NaN, 2 ** 53]) {
        await expectError("BAD_OPTION", () => kv.put("key", 1, { ifVersion }));
        await expectError("BAD_OPTION", () => kv.delete("key", { ifVersion }));
      }
      for (const ttlMs of [0, -1, 1.5, Number.NaN, 2 ** 40 + 1, Number.POSITIVE_INFINITY]) {
        await expectError("BAD_OPTION", () => kv.put("key", 1, { ttlMs }));
        await expectError("BAD_OPTION", () =>
          kv.batch([{ type: "put", key: "key", value: 1, ttlMs }]),
        );
      }
      for (const limit of [-1, 0.5, Number.NaN]) {
        await expectError("BAD_OPTION", () => collect(kv.scan({ limit })));
      }
      assert.equal(await kv.get("key"), undefined);
    },
  },
  {
    name: "a value with a time to live is absent once that is over",
    async run({ kv }) {
      await kv.put("stays", 1, { ttlMs: 600_000 });
      await kv.put("goes", 1, { ttlMs: 40 });
      await kv.batch([
        { type: "put", key: "goes too", value: 1, ttlMs: 40 },
        { type: "put", key: "is replaced", value: 1, ttlMs: 40 },
        { type: "put", key: "is given longer", value: 1, ttlMs: 40 },
      ]);
      await kv.put("is replaced", 2);
      await kv.put("is given longer", 2, { ttlMs: 600_000 });
      const expected = ["is given longer", "is replaced", "stays"];
      for (let round = 0; (await keysOf(kv.scan())).length > expected.length; round++) {
        assert.ok(round < 500, "what has expired is absent soon after");
        await wait(20);
      }
      assert.deepEqual(await keysOf(kv.scan()), expected);
      assert.equal(await kv.get("goes"), undefined);
      assert.equal(await kv.getEntry("goes too"), undefined);
      assert.equal(await kv.delete("goes"), false);
      await kv.put("goes", "anew", { ifVersion: 0 });
      assert.equal(await kv.get("is replaced"), 2);
    },
  },
];

/** Bytes as text, so that the two sides compare by value. */
function plain(key: Key): unknown {
  if (key instanceof Uint8Array) return `bytes ${key.join()}`;
  return Array.isArray(key) ? key.map((part: Key) => plain(part)) : key;
}

/** Any order, but always the same. */
function hash(key: Key): number {
  let sum = 17;
  for (const letter of JSON.stringify(plain(key)) + String(key)) {
    sum = (sum * 31 + letter.codePointAt(0)!) % 65_521;
  }
  return sum;
}
