import { expect, test } from "vitest";
import { createRandom, shuffle } from "@kvs/env";
import { type PageId } from "@kvs/pager";
import { Descent } from "../src/descent.ts";
import { positionsOf } from "../src/page-check.ts";
import { childAt, entryCount, pageLevel, prefixLength, usedBytes } from "../src/tree-page.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

const KEYS = Array.from({ length: 1200 }, (_, at) => wideKey(at));
const SEEDS = 60;

/** So long that an interior page has room for few. */
function wideKey(at: number, width = 200): Uint8Array {
  const digits = Array.from(String(at).padStart(4, "0"), (digit) => digit.repeat(width));
  return utf8(digits.join(""));
}

/** A tree of wide keys, which is high. */
function highTree(frames?: number): TestTree {
  const tree = new TestTree(new MemoryPages(frames === undefined ? {} : { frames }));
  for (const key of KEYS) tree.insert(key, 1, utf8("x".repeat(150)));
  return tree;
}

test("REL-P5 a tree of long keys grows by levels and shrinks again to an empty root", async () => {
  for (const order of ["ascending", "descending", "random"]) {
    const tree = highTree();
    expect((await tree.check()).levels).toBeGreaterThan(4);
    const random = createRandom(9);
    const keys = KEYS.slice();
    if (order === "descending") keys.reverse();
    if (order === "random") keys.sort(() => (random.chance(0.5) ? 1 : -1));
    let left = keys.length;
    for (const key of keys) {
      tree.remove(key, 1);
      left--;
      if (left % 100 === 0) expect((await tree.check()).rows).toBe(left);
    }

    expect((await tree.check()).pages).toEqual([tree.state.rootId]);
  }
});

test("REL-P5 the merges of a high tree need four frames", async () => {
  const tree = highTree(4);
  for (const key of KEYS) tree.remove(key, 1);

  expect((await tree.check()).pages).toEqual([tree.state.rootId]);
  expect(tree.pages.pagesChangedMax).toBeLessThanOrEqual(4);
});

test("REL-P5 an only child is merged when its parent got a sibling's children", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const random = createRandom(seed);
    const tree = highTree();
    const gone = new Set<number>();
    while (gone.size < KEYS.length - 3) {
      // whole stretches, so that parents lose all children but one
      const from = random.below(KEYS.length);
      for (let at = from; at < Math.min(from + 30, KEYS.length); at++) {
        if (gone.size >= KEYS.length - 3 || gone.has(at)) continue;
        tree.remove(KEYS[at]!, 1);
        gone.add(at);
      }
    }
    const report = await tree.check();

    expect(report.rows).toBe(3);
    expect(report.pages.length).toBeLessThan(8);
    for (let at = 0; at < KEYS.length; at++) {
      expect(tree.findFast(KEYS[at]!, 1)).toBe(gone.has(at) ? undefined : 1);
    }
  }
});

/** Bytes used by a page, at most if its prefix went; its entries, and its children. */
interface Shape {
  readonly used: number;
  readonly usedMax: number;
  readonly entries: number;
  readonly children: readonly PageId[];
}

function shapeOf(tree: TestTree, id: PageId): Shape {
  let shape: Shape | undefined;
  tree.pages.damage(id, (view) => {
    const entries = entryCount(view);
    const count = pageLevel(view) === 0 ? 0 : entries + 1;
    const children = Array.from({ length: count }, (_, at) => childAt(view, at - 1));
    const used = usedBytes(view);
    shape = { used, usedMax: used + entries * prefixLength(view), entries, children };
  });
  return shape!;
}

/** Expects that the leaf has no sibling under its parent with which it could be one. */
function expectNothingToMerge(tree: TestTree, id: PageId, parentId: PageId): void {
  const leaf = shapeOf(tree, id);
  const siblings = shapeOf(tree, parentId).children;
  const at = siblings.indexOf(id);
  if (leaf.used >= 4008 / 4) return;
  for (const sibling of [siblings[at - 1], siblings[at + 1]]) {
    if (sibling === undefined) continue;
    const other = shapeOf(tree, sibling);
    const room = leaf.entries === 0 || other.entries === 0 ? 4008 : 4008 * 0.75;
    expect(leaf.usedMax + other.usedMax).toBeGreaterThan(room);
  }
}

test("REL-P5 after a removal the row's leaf could not be one with its neighbour", () => {
  let onlyChildren = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = createRandom(seed);
    const tree = new TestTree(new MemoryPages({ hasTwins: false }));
    const width = 100 + random.below(170);
    const keys = Array.from({ length: 300 }, (_, at) => wideKey(at, width));
    const valueBytes = random.below(300);
    for (const key of keys) tree.insert(key, 1, utf8("x".repeat(valueBytes)));
    for (const key of shuffle(random, keys.slice())) {
      tree.remove(key, 1);
      const descent = new Descent(tree.state, tree.pages);
      descent.probe.set(key, key.length, 1);
      descent.reach(0);
      if (descent.isRoot(0)) continue;
      const parentId = descent.pageAt(1);
      if (shapeOf(tree, parentId).entries === 0) onlyChildren++;
      else expectNothingToMerge(tree, descent.pageAt(0), parentId);
    }
  }
  expect(onlyChildren).toBeGreaterThan(0);
});

test("an empty leaf goes, however full its neighbours are", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 90; at++) tree.insert(utf8(`${100 + at}`), 1, utf8("x".repeat(120)));
  const [, first, second, third, ...others] = (await tree.check()).pages;
  expect(others).toHaveLength(1);
  for (const id of [first!, third!]) expect(shapeOf(tree, id).used).toBeGreaterThan(0.85 * 4008);
  let keys: readonly Uint8Array[] = [];
  tree.pages.damage(second!, (view) => {
    keys = positionsOf(view).map(({ key }) => key);
  });

  for (const key of keys) tree.remove(key, 1);

  expect((await tree.check()).leaves).toBe(3);
});

test("a merge that would leave no room is not done", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 40; at++) tree.insert(utf8(`${10 + at}`), 1, utf8("x".repeat(900)));
  const before = await tree.check();
  for (let at = 0; at < 40; at += 4) tree.remove(utf8(`${10 + at}`), 1);
  const after = await tree.check();

  expect(after.leaves).toBeLessThanOrEqual(before.leaves);
  expect(after.leafBytes / (after.leaves * 4008)).toBeLessThan(0.95);
});
