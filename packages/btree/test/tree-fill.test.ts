import { expect, test } from "vitest";
import { type Random, createRandom } from "@kvs/env";
import { NEWEST_VERSION, Probe } from "../src/probe.ts";
import { TreeFill } from "../src/tree-fill.ts";
import { MemoryPages, type MemoryPagesOptions } from "./memory-pages.ts";
import { Model, TestTree, drawKey, drawValue, expectSameRows } from "./test-tree.ts";

const NO_KEY = new Uint8Array(0);

/** Fills the whole tree, and checks it after each step if told. */
async function fill(tree: TestTree, checksEach = false): Promise<number> {
  const { pages } = tree;
  const walk = new TreeFill(tree.state, pages, pages);
  walk.begin(new Probe().set(NO_KEY, 0, NEWEST_VERSION));
  for (let steps = 1; ; steps++) {
    if (pages.run(() => walk.step())) return steps;
    if (checksEach) await tree.check();
    expect(steps).toBeLessThan(100_000);
  }
}

function grow(random: Random, options: MemoryPagesOptions, rows: number): [TestTree, Model] {
  const tree = new TestTree(new MemoryPages({ ...options, random: random.split("evict") }));
  const model = new Model();
  const keys: Uint8Array[] = [];
  for (let version = 1; version <= rows; version++) {
    const old = keys[random.below(Math.max(1, keys.length))];
    const key = old !== undefined && random.chance(0.3) ? old : drawKey(random);
    keys.push(key);
    const value = drawValue(random, key.length);
    tree.insert(key, version, value);
    model.insert({ key, version, value });
  }
  return [tree, model];
}

test("a filled tree is sound at each step, and has the rows that it had", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = createRandom(seed);
    const frames = seed % 2 === 0 ? { frames: 4 } : {};
    const [tree, model] = grow(random, frames, 150 + 100 * (seed % 4));
    await fill(tree, seed <= 4);
    await tree.check();
    expectSameRows(tree.rows(), model.rows);
  }
});

test("leaves that random order left two thirds full are full afterwards, and a second walk changes nothing", async () => {
  const random = createRandom(3);
  const tree = new TestTree(new MemoryPages({ hasTwins: false }));
  for (let row = 0; row < 20_000; row++) {
    tree.insert(random.fill(new Uint8Array(16)), 1, random.fill(new Uint8Array(100)));
  }
  const before = await tree.check();
  await fill(tree);
  const after = await tree.check();
  const { minis } = tree.pages;
  await fill(tree);

  const share = ({ leafBytes, leaves }: { leafBytes: number; leaves: number }): number =>
    leafBytes / (leaves * 4008);
  expect(share(before)).toBeLessThan(0.75);
  expect(share(after)).toBeGreaterThan(0.9);
  expect(tree.pages.minis - minis).toBeLessThan(after.leaves / 20);
});

test("rows may come and go between the steps", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = createRandom(100 + seed);
    const [tree, model] = grow(random, {}, 600);
    const walk = new TreeFill(tree.state, tree.pages, tree.pages);
    walk.begin(new Probe().set(NO_KEY, 0, NEWEST_VERSION));
    let version = 1000;
    while (!tree.pages.run(() => walk.step())) {
      const key = drawKey(random);
      const value = drawValue(random, key.length);
      tree.insert(key, ++version, value);
      model.insert({ key, version, value });
      const victim = model.rows[random.below(model.rows.length)]!;
      tree.remove(victim.key, victim.version);
      model.remove(victim.key, victim.version);
    }
    await tree.check();
    expectSameRows(tree.rows(), model.rows);
  }
});
