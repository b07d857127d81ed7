import { expect, test } from "vitest";
import { createRandom } from "@kvs/env";
import { NEWEST_VERSION, Probe } from "../src/probe.ts";
import { type RangeEstimate, RangeEstimator } from "../src/range-estimate.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree } from "./test-tree.ts";

function key(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function estimate(tree: TestTree, from: number, to: number): Promise<RangeEstimate> {
  const estimator = new RangeEstimator(tree.state, tree.pages, tree.pages.attempt);
  const at = (number: number): Probe => new Probe().set(key(number), 8, NEWEST_VERSION);
  return estimator.estimate(at(from), at(to));
}

test("an estimate is near the truth, for ranges of every size, with few frames too", async () => {
  for (const frames of [4, 1000]) {
    const random = createRandom(frames);
    const tree = new TestTree(
      new MemoryPages({ frames, random: random.split("evict"), hasTwins: false }),
    );
    const rows = 20_000;
    const numbers = Array.from({ length: rows }, () => random.nextUint32());
    for (const number of numbers) tree.insert(key(number), 1, random.fill(new Uint8Array(60)));
    const ratios: number[] = [];
    for (let round = 0; round < 60; round++) {
      const from = random.nextUint32() * random.nextFloat();
      const to = from + (2 ** 32 - from) * random.nextFloat();
      const actual = numbers.filter((number) => number >= from && number < to).length;
      const found = await estimate(tree, from, to);
      if (found.isExact) expect(found.rows).toBe(actual);
      if (actual < 200) expect(Math.abs(found.rows - actual)).toBeLessThan(100);
      else ratios.push(found.rows / actual);
    }
    ratios.sort((a, b) => a - b);
    expect(ratios.length).toBeGreaterThan(30);
    expect(ratios[Math.floor(ratios.length * 0.1)]).toBeGreaterThan(0.75);
    expect(ratios[Math.floor(ratios.length * 0.9)]).toBeLessThan(1.25);
  }
});

test("inside one leaf it is exact, and nothing lies in an empty range", async () => {
  const tree = new TestTree(new MemoryPages());
  expect(await estimate(tree, 0, 100)).toEqual({ rows: 0, bytes: 0, isExact: true });
  for (let number = 0; number < 20; number++) tree.insert(key(number), 1, new Uint8Array(10));
  expect(await estimate(tree, 3, 9)).toMatchObject({ rows: 6, isExact: true });
  expect(await estimate(tree, 9, 9)).toMatchObject({ rows: 0, isExact: true });
  expect(await estimate(tree, 9, 3)).toMatchObject({ rows: 0 });
});

test("a tree that grows and shrinks meanwhile is estimated, however rough", async () => {
  const tree = new TestTree(new MemoryPages());
  const rows = 3000;
  let isFull = false;
  const toggle = (): void => {
    isFull = !isFull;
    for (let number = 0; number < rows; number++) {
      if (isFull) tree.insert(key(number), 1, new Uint8Array(100));
      else tree.remove(key(number), 1);
    }
  };
  // How many attempts the tree stays as it is.
  for (let attempts = 1; attempts < 24; attempts++) {
    let left = attempts;
    const estimator = new RangeEstimator(tree.state, tree.pages, (body) => {
      if (left-- === 0) toggle();
      return tree.pages.attempt(body);
    });
    const at = (number: number): Probe => new Probe().set(key(number), 8, NEWEST_VERSION);
    const found = await estimator.estimate(at(10), at(rows - 10));
    expect(found.rows).toBeGreaterThanOrEqual(0);
    expect(Number.isSafeInteger(found.bytes)).toBe(true);
  }
});
