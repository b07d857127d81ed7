import { type Key, compareBytes, compareKeys, encodeKey } from "@kvs/codec";
import { pick } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { keyBounds } from "../src/key-bounds.ts";
import { type KeyRangeOptions } from "../src/key-value.ts";

const SINGLE: readonly Key[] = [
  null,
  true,
  -1,
  0,
  7,
  "",
  "a",
  "aa",
  "ab",
  "b",
  new Uint8Array([1]),
];
const KEYS: readonly Key[] = [...SINGLE, [], ["a"], ["a", 1], ["a", 2], ["ab"], ["b"]];

/** What the options say, in the order of keys. */
function isWithin(key: Key, { gt, gte, lt, lte }: KeyRangeOptions): boolean {
  if (gt !== undefined && compareKeys(key, gt) <= 0) return false;
  if (gte !== undefined && compareKeys(key, gte) < 0) return false;
  if (lt !== undefined && compareKeys(key, lt) >= 0) return false;
  return lte === undefined || compareKeys(key, lte) <= 0;
}

test("bounds on bytes mean what the options say of keys", () => {
  forEachSeed({ seeds: 500 }, ({ random }) => {
    const range: Record<string, Key> = {};
    for (const name of ["gt", "gte", "lt", "lte"]) {
      if (random.chance(0.5)) range[name] = pick(random, KEYS);
    }
    const { from, to } = keyBounds(range);
    const found = KEYS.filter((key) => {
      const bytes = encodeKey(key);
      if (from !== undefined && compareBytes(bytes, from) < 0) return false;
      return to === undefined || compareBytes(bytes, to) < 0;
    });
    expect(found).toEqual(KEYS.filter((key) => isWithin(key, range)));
  });
});

test("a prefix and a bound hold together", () => {
  const { from, to } = keyBounds({ prefix: ["a"], gt: ["a", 1] });
  const found = KEYS.filter((key) => {
    const bytes = encodeKey(key);
    return compareBytes(bytes, from!) >= 0 && compareBytes(bytes, to!) < 0;
  });

  expect(found).toEqual([["a", 2]]);
});

test("without options there are no bounds", () => {
  expect(keyBounds({})).toEqual({ from: undefined, to: undefined });
});
