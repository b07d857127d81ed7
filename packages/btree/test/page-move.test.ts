import { expect, test } from "vitest";
import { createRandom } from "@kvs/env";
import { NO_PAGE } from "@kvs/pager";
import { Descent } from "../src/descent.ts";
import { PAGE_MOVE_FRAMES, PageMove } from "../src/page-move.ts";
import { NEWEST_VERSION, Probe } from "../src/probe.ts";
import { MemoryPages } from "./memory-pages.ts";
import { Model, TestTree, expectSameRows } from "./test-tree.ts";

/** Moves every page of a level that can go lower. Returns how many did. */
function moveAll(tree: TestTree, level: number): number {
  const { pages, state } = tree;
  const move = new PageMove(state, pages, pages);
  const descent = new Descent(state, pages);
  const probe = new Probe().set(new Uint8Array(0), 0, NEWEST_VERSION);
  for (let moved = 0; ;) {
    move.begin(probe, level);
    if (pages.run(() => move.run()) !== NO_PAGE) moved++;
    descent.probe.copyFrom(probe);
    descent.restart();
    pages.run(() => descent.reachWithFences(level));
    const { high } = descent;
    if (!high.isFinite) return moved;
    probe.set(high.bytes, high.length, high.version);
  }
}

test("after most rows are gone the tree's pages move down, and are as many as there are places", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = createRandom(seed);
    const frames = seed % 2 === 0 ? { frames: PAGE_MOVE_FRAMES + 2 } : {};
    const tree = new TestTree(new MemoryPages({ ...frames, random: random.split("evict") }));
    const model = new Model();
    for (let version = 1; version <= 1500; version++) {
      const row = {
        key: random.fill(new Uint8Array(1 + random.below(12))),
        version,
        value: random.fill(new Uint8Array(200)),
      };
      model.insert(row);
      tree.insert(row.key, version, row.value);
    }
    for (const { key, version } of model.rows.slice()) {
      if (random.chance(0.2)) continue;
      tree.remove(key, version);
      model.remove(key, version);
    }
    const { levels } = await tree.check();
    let moved = 0;
    for (let level = levels - 2; level >= 0; level--) moved += moveAll(tree, level);

    await tree.check();
    expectSameRows(tree.rows(), model.rows);
    const used = tree.pages.usedPages();
    expect(moved).toBeGreaterThan(0);
    expect(used.at(-1)).toBe(used[0]! + used.length - 1); // no hole is left
  }
});

test("a page that has no lower place stays, and so does a root", async () => {
  const tree = new TestTree(new MemoryPages());
  const key = new Uint8Array(8);
  tree.insert(key, 1, new Uint8Array(100));
  const move = new PageMove(tree.state, tree.pages, tree.pages);
  const { minis } = tree.pages;
  move.begin(new Probe().set(key, 8, 1), 0);
  expect(tree.pages.run(() => move.run())).toBe(NO_PAGE);
  expect(tree.pages.minis).toBe(minis);
  for (let at = 0; at < 200; at++) tree.insert(new Uint8Array(8).fill(at), 2, new Uint8Array(100));
  expect(moveAll(tree, 0)).toBe(0);
  await tree.check();
});
