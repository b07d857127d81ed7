import { expect, test } from "vitest";
import { hashBytes, hashText, TraceHash } from "../src/trace-hash.ts";

function hashOf(words: readonly number[]): string {
  const hash = new TraceHash();
  for (const word of words) hash.add(word);
  return hash.toString();
}

test("a hash is 16 digits, and depends on every word and on their order", () => {
  const seen = new Set<string>();
  for (let word = 0; word < 20_000; word++) seen.add(hashOf([word]));
  for (let bit = 0; bit < 32; bit++) seen.add(hashOf([1, 2 ** bit, 2]));

  expect(seen.size).toBe(20_032);
  expect(hashOf([1, 2])).not.toBe(hashOf([2, 1]));
  expect(hashOf([])).toMatch(/^[0-9a-f]{16}$/);
});

test("both halves depend on what was added", () => {
  const low = new Set<string>();
  const high = new Set<string>();
  for (let word = 0; word < 1000; word++) {
    high.add(hashOf([word]).slice(0, 8));
    low.add(hashOf([word]).slice(8));
  }

  expect(low.size).toBeGreaterThan(990);
  expect(high.size).toBeGreaterThan(990);
});

test("integers beyond 32 bits count whole", () => {
  const hashOfInteger = (value: number): string => {
    const hash = new TraceHash();
    hash.addInteger(value);
    return hash.toString();
  };

  expect(hashOfInteger(5)).not.toBe(hashOfInteger(5 + 2 ** 32));
  expect(hashOfInteger(2 ** 53 - 1)).not.toBe(hashOfInteger(2 ** 52 - 1));
});

test("every bit of bytes counts, and their number", () => {
  const bytes = new Uint8Array(50).fill(7);
  const seen = new Set([hashBytes(bytes)]);
  for (let bit = 0; bit < 400; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    seen.add(hashBytes(bytes));
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let count = 0; count < 50; count++) seen.add(hashBytes(new Uint8Array(count)));

  expect(seen.size).toBe(451);
  expect(hashText("a")).not.toBe(hashText("b"));
});
