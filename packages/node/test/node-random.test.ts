import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";
import { NodeRandom } from "../src/node-random.ts";

test("numbers stay in their ranges, across many refills of the pool", () => {
  const random = new NodeRandom();
  for (let at = 0; at < 5000; at++) {
    const word = random.nextUint32();
    expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
    const float = random.nextFloat();
    expect(float >= 0 && float < 1).toBe(true);
    expect(random.below(7)).toBeLessThan(7);
  }
  expect(random.below(1)).toBe(0);
  expect(random.below(2 ** 32)).toBeLessThan(2 ** 32);
});

test("each value below a bound comes up about as often as any other", () => {
  const random = new NodeRandom();
  const counts = Array.from({ length: 10 }, () => 0);
  for (let at = 0; at < 20_000; at++) counts[random.below(10)]!++;
  // Nine standard deviations: 2000 ± 380.
  for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(380);
});

test("chance follows its probability", () => {
  const random = new NodeRandom();
  let hits = 0;
  for (let at = 0; at < 20_000; at++) if (random.chance(0.25)) hits++;
  expect(Math.abs(hits - 5000)).toBeLessThan(550); // nine standard deviations
  expect(random.chance(0)).toBe(false);
  expect(random.chance(1)).toBe(true);
});

test("two streams, and two fills, never repeat each other", () => {
  const random = new NodeRandom();
  const seen = new Set<string>();
  for (const source of [random, random.split("a"), random.split("a"), new NodeRandom()]) {
    for (let at = 0; at < 100; at++) seen.add(String(source.fill(new Uint8Array(16))));
    seen.add(String([source.nextUint32(), source.nextUint32(), source.nextUint32()]));
  }
  expect(seen.size).toBe(404);
});

test("fill fills the whole target, whatever its length, and returns it", () => {
  const random = new NodeRandom();
  for (const length of [0, 1, 3, 4096, 10_000]) {
    const target = new Uint8Array(length);
    expect(random.fill(target)).toBe(target);
    if (length >= 4096) expect(new Set(target).size).toBe(256);
  }
});

test("a bound outside its range and a stream without a name are bugs", () => {
  const random = new NodeRandom();
  for (const bound of [0, -1, 1.5, 2 ** 32 + 1]) {
    expect(() => random.below(bound)).toThrow(AssertionFailure);
  }
  expect(() => random.split("")).toThrow(AssertionFailure);
});
