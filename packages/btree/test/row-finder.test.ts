import { expect, test } from "vitest";
import { createRandom, pick } from "@kvs/env";
import { type PageId } from "@kvs/pager";
import { Descent } from "../src/descent.ts";
import { NEWEST_VERSION, Probe } from "../src/probe.ts";
import { RowFinder } from "../src/row-finder.ts";
import { LEVEL_OFFSET, TREE_ID_OFFSET, pageLevel } from "../src/tree-page.ts";
import { MemoryPages } from "./memory-pages.ts";
import { Model, TestTree, drawKey, utf8 } from "./test-tree.ts";

const damaged = expect.objectContaining({ code: "BTREE_DAMAGED_PAGE", outcome: "none" });

function highTree(): TestTree {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 2000; at++) {
    tree.insert(utf8(`a common prefix ${at}`), 1, utf8("x".repeat(200)));
  }
  return tree;
}

async function pagesOfLevel(tree: TestTree, level: number): Promise<PageId[]> {
  const { pages } = await tree.check();
  return pages.filter((id) => {
    let found = -1;
    tree.pages.damage(id, (view) => (found = pageLevel(view)));
    return found === level;
  });
}

test("both ways of finding a row agree with the model, for keys that are there or not", () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = createRandom(seed);
    const tree = new TestTree(new MemoryPages());
    const model = new Model();
    const keys: Uint8Array[] = [];
    for (let version = 1; version <= 1500; version++) {
      const key = random.chance(0.5) && keys.length > 0 ? pick(random, keys) : drawKey(random);
      keys.push(key);
      tree.insert(key, version, key);
      model.insert({ key, version, value: key });
    }
    for (let count = 0; count < 3000; count++) {
      const key = random.chance(0.7) ? pick(random, keys) : drawKey(random);
      const version = random.below(1600);
      const expected = model.find(key, version)?.version;
      expect(tree.findFast(key, version)).toBe(expected);
      expect(tree.find(key, version)?.version).toBe(expected);
    }
  }
});

test("a key is not found in the next leaf if only its end is the same", () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 300; at++) {
    for (const group of ["aaaa", "bbbb", "cccc"]) {
      tree.insert(utf8(`${group}${String(at).padStart(4, "0")}`), 1, utf8("x".repeat(60)));
    }
  }

  for (let at = 0; at < 300; at++) {
    for (const group of ["aaab", "bbbc", "cccd", "aaa", "bbbbb"]) {
      const key = utf8(`${group}${String(at).padStart(4, "0")}`);
      expect(tree.findFast(key, 1)).toBeUndefined();
      expect(tree.find(key, 1)).toBeUndefined();
    }
  }
});

test("a leaf of another tree or level is never searched", async () => {
  for (const offset of [TREE_ID_OFFSET, LEVEL_OFFSET]) {
    const tree = highTree();
    for (const id of await pagesOfLevel(tree, 0)) {
      tree.pages.damage(id, (view) => {
        view.u8[view.base + offset]! += 1;
      });
    }
    const key = utf8("a common prefix 700");

    expect(() => tree.findFast(key, 1)).toThrow(damaged);
    expect(() => tree.find(key, 1)).toThrow(damaged);
    expect(() => tree.insert(key, 2, key)).toThrow(damaged);
    expect(() => tree.rows()).toThrow(damaged);
  }
});

test("an interior page of another level is never searched", async () => {
  const tree = highTree();
  tree.pages.damage(tree.state.rootId, (view) => {
    view.u8[view.base + LEVEL_OFFSET] = 40;
  });

  expect(() => tree.find(utf8("a"), 1)).toThrow(damaged);
  expect(() => tree.findFast(utf8("a"), 1)).toThrow(damaged);
});

test("a descent goes on where a miss stopped it, and starts again after a split", () => {
  const pages = new MemoryPages({ frames: 4 });
  const tree = new TestTree(pages);
  for (let at = 0; at < 1000; at++) tree.insert(utf8(`key ${at}`), 1, utf8("x".repeat(200)));
  const descent = new Descent(tree.state, pages);
  const finder = new RowFinder(pages);
  descent.probe.set(utf8("key 500"), 7, NEWEST_VERSION);
  descent.restart();
  let looks = 0;
  pages.onFetch = () => looks++;

  expect(pages.run(() => finder.findBy(descent))).toBe(true);
  expect(looks).toBeLessThan(10);
  for (let at = 0; at < 200; at++) tree.insert(utf8(`key 500${at}`), 1, utf8("x".repeat(200)));
  expect(pages.run(() => finder.findBy(descent))).toBe(true);
});

test("a probe is a copy, and holds versions of 53 bits", () => {
  const key = utf8("key");
  const probe = new Probe().set(key, 2, Number.MAX_SAFE_INTEGER - 1);
  key.fill(0);
  const other = new Probe();
  other.copyFrom(probe);

  expect(other.bytes.subarray(0, other.length)).toEqual(utf8("ke"));
  expect(other.version).toBe(Number.MAX_SAFE_INTEGER - 1);
  expect(other.headFrom(0)).toBe(0x6b65_0000);
  expect(other.headFrom(2)).toBe(0);
  expect(() => probe.set(new Uint8Array(1101), 1101, 0)).toThrow("at most 1,100 bytes");
});
