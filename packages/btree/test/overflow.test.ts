import { expect, test } from "vitest";
import { createRandom } from "@kvs/env";
import { BITMAP_BITS, type PageId } from "@kvs/pager";
import { MemoryPages, type MemoryPagesOptions } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

const KEY = utf8("key");
const PAGE = 4032;

function bytesOf(length: number, seed = length): Uint8Array {
  return createRandom(seed).fill(new Uint8Array(length));
}

/** Puts a value, reads it back, and removes it. */
async function roundTrip(length: number, options: MemoryPagesOptions): Promise<number> {
  const tree = new TestTree(new MemoryPages(options));
  tree.insert(utf8("before"), 1, utf8("stays"));
  tree.insert(KEY, 1, bytesOf(length));
  const { runs } = await tree.check();
  expect(tree.find(KEY)?.value).toEqual(bytesOf(length));
  tree.remove(KEY, 1);
  expect(tree.find(KEY)).toBeUndefined();
  expect((await tree.check()).runs).toEqual([]);
  expect(tree.pages.usedPages()).toEqual([tree.state.rootId]);
  return runs.length;
}

test("REL-P4 values at every boundary come back, and leave no page behind", async () => {
  const lengths = [0, 1, 16, 17, 987, 988, 989, 4031, 4032, 4033, 8063, 8064, 8065, 100_000];
  for (const length of lengths) await roundTrip(length, {});
  for (const length of lengths) await roundTrip(length, { frames: 4 });
});

test("REL-P4 a value whose pages lie under several bitmap pages goes in steps, in four frames", async () => {
  let next = 0;
  const options = { frames: 4, regions: 5, pickRegion: () => next++ % 5 };

  expect(await roundTrip(8 * PAGE, options)).toBeGreaterThanOrEqual(5);
});

test("REL-P4 a value in more pieces than a cell can name has a list of them", async () => {
  const runs = await roundTrip(100 * PAGE + 1, { isFragmented: true });

  expect(runs).toBe(101 + 1);
});

test("REL-P4 a list of pieces under several bitmap pages, in four frames", async () => {
  let next = 0;
  const options = {
    frames: 4,
    regions: 3,
    isFragmented: true,
    pickRegion: () => Math.floor(next++ / 7) % 3,
  };

  expect(await roundTrip(700 * PAGE, options)).toBe(700 + 2);
});

test("REL-P4 a long value that replaces another gives its pages back", async () => {
  let next = 0;
  const options = { regions: 3, runPages: 2, pickRegion: () => next++ % 3 };
  const tree = new TestTree(new MemoryPages(options));
  for (const length of [5000, 40_000, 20, 1_000_000, 988, 40_000, 3]) {
    tree.insert(KEY, 1, bytesOf(length));
    const { rows } = await tree.check();
    expect(rows).toBe(1);
    expect(tree.find(KEY)?.value).toEqual(bytesOf(length));
  }
});

test("REL-P4 neighbours under two bitmap pages are two runs", async () => {
  const options = { regions: 2, firstPage: BITMAP_BITS - 3 };

  expect(await roundTrip(4 * PAGE, options)).toBe(2);
  expect(await roundTrip(2 * PAGE, options)).toBe(1);
});

test("REL-P4 a vacuum gives back the pages of many long values, a bitmap page at a time", async () => {
  let next = 0;
  const options = { frames: 6, regions: 4, pickRegion: () => Math.floor(next++ / 3) % 4 };
  const tree = new TestTree(new MemoryPages(options));
  for (let version = 1; version <= 30; version++) tree.insert(KEY, version, bytesOf(9000, version));
  expect((await tree.check()).runs.length).toBeGreaterThan(30);

  tree.vacuumAll(30);

  const { rows, runs } = await tree.check();
  expect(rows).toBe(1);
  expect(runs.map((run) => run.count).reduce((sum, count) => sum + count)).toBe(3);
  expect(tree.find(KEY)?.value).toEqual(bytesOf(9000, 30));
});

test("REL-P4 a removal that stops half-way owns exactly the pages that are left, and goes on later", async () => {
  let next = 0;
  const pages = new MemoryPages({
    regions: 4,
    isFragmented: true,
    pickRegion: () => Math.floor(next++ / 20) % 4,
  });
  const tree = new TestTree(pages);
  tree.insert(KEY, 1, bytesOf(100 * PAGE));
  tree.insert(KEY, 2, utf8("newer"));
  let minis = 0;
  pages.onEnd = () => {
    minis++;
    if (minis === 3) throw new Error("the process ends");
  };

  for (let attempts = 0; attempts < 20; attempts++) {
    minis = 0;
    try {
      tree.vacuumAll(2);
      break;
    } catch (error) {
      expect(String(error)).toContain("the process ends");
    }
    await tree.check();
    expect(tree.find(KEY)?.value).toEqual(utf8("newer"));
    expect(tree.find(KEY, 1)?.value).toBeUndefined();
  }

  expect((await tree.check()).rows).toBe(1);
  expect(pages.usedPages()).toEqual([tree.state.rootId]);
});

test("REL-P4 shared, missing and changed pages of a long value are found", async () => {
  const tree = new TestTree(new MemoryPages());
  tree.insert(KEY, 1, bytesOf(3 * PAGE));
  const { runs } = await tree.check();
  tree.pages.damage((runs[0]!.first + 1) as PageId, (view) => {
    view.u8[view.base + 100]! ^= 1;
  });

  expect(() => tree.find(KEY)).toThrow(expect.objectContaining({ code: "BTREE_DAMAGED_VALUE" }));

  tree.pages.damage(runs[0]!.first, (view) => {
    view.u8[view.base + 4] = 3;
  });
  expect(() => tree.find(KEY)).toThrow(expect.objectContaining({ code: "BTREE_DAMAGED_VALUE" }));
});
