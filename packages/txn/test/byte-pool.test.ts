import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { BytePool } from "../src/byte-pool.ts";

test("copies of every length are right, and stay so while others are made", () => {
  const random = createRandom(1);
  const source = Uint8Array.from({ length: 4096 }, () => random.below(256));
  const pool = new BytePool();
  const made: { from: number; to: number; copy: Uint8Array }[] = [];
  for (let count = 0; count < 2000; count++) {
    const from = random.below(2048);
    const to = from + random.below(random.chance(0.1) ? 2048 : 200);
    made.push({ from, to, copy: pool.copy(source, from, to) });
  }

  for (const { from, to, copy } of made) expect(copy).toEqual(source.slice(from, to));
});

test("a copy is the caller's own: writing to it changes neither the source nor another copy", () => {
  const source = new Uint8Array(300).fill(1);
  const pool = new BytePool();
  const copies = [0, 65, 100, 101, 300].map((length) => pool.copy(source, 0, length));

  for (const copy of copies.toReversed()) copy.fill(copy.length);

  expect(source).toEqual(new Uint8Array(300).fill(1));
  for (const copy of copies) expect(new Set(copy).size).toBeLessThanOrEqual(1);
});

test("a copy that is kept keeps at most 8 KiB, and a long one only itself", () => {
  const source = new Uint8Array(100_000);
  const pool = new BytePool();

  expect(pool.copy(source, 0, 100).buffer.byteLength).toBe(8192);
  expect(pool.copy(source, 0, 1025).buffer.byteLength).toBe(1025);
  expect(pool.copy(source, 0, 100_000).buffer.byteLength).toBe(100_000);
});
