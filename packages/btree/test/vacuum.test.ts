import { expect, test } from "vitest";
import { createRandom, pick } from "@kvs/env";
import { entryCount, leafVersion } from "../src/tree-page.ts";
import { Descent } from "../src/descent.ts";
import { NEWEST_VERSION } from "../src/probe.ts";
import { type TreeWriterOptions } from "../src/tree-writer.ts";
import { MemoryPages } from "./memory-pages.ts";
import {
  Model,
  TestTree,
  drawKey,
  drawValue,
  expectSameRows,
  utf8,
  visibleAt,
} from "./test-tree.ts";

const KEY = utf8("key");

/**
 * A key with so many versions that they span leaves; every second one, down from the newest, is a
 * tombstone.
 */
function treeOfVersions(count: number, options: TreeWriterOptions = {}): TestTree {
  const tree = new TestTree(new MemoryPages(), options);
  for (let version = 1; version <= count; version++) {
    const isTombstone = version % 2 === count % 2;
    tree.insert(KEY, version, isTombstone ? undefined : utf8("x".repeat(60 + (count % 40))));
  }
  return tree;
}

/** The versions in the leaf where the key's newest is. */
function firstLeaf(tree: TestTree): number[] {
  const descent = new Descent(tree.state, tree.pages);
  descent.probe.set(KEY, KEY.length, NEWEST_VERSION);
  descent.reach(0);
  return Array.from({ length: entryCount(descent.view) }, (_, slot) =>
    leafVersion(descent.view, slot),
  );
}

/** Vacuums a leaf whose last row is a tombstone that all readers see; returns that row's version. */
function vacuumBeforeTombstone(options: TreeWriterOptions): [tree: TestTree, version: number] {
  for (let count = 200; count < 300; count++) {
    const tree = treeOfVersions(count, options);
    const horizon = firstLeaf(tree).at(-1)!;
    if (horizon % 2 !== count % 2) continue;
    expect(tree.find(KEY, horizon)).toMatchObject({ version: horizon, value: undefined });
    tree.vacuumAt(KEY, horizon);
    return [tree, horizon];
  }
  throw new Error("no leaf ends with a tombstone");
}

test("versions of one key span leaves, and each is found at its moment", async () => {
  const tree = treeOfVersions(400);

  expect((await tree.check()).leaves).toBeGreaterThan(3);
  for (let version = 1; version <= 400; version++) {
    expect(tree.find(KEY, version)?.version).toBe(version);
    expect(tree.findFast(KEY, version)).toBe(version);
  }
  expect(tree.find(KEY, 0)).toBeUndefined();
  expect(tree.findFast(KEY, 0)).toBeUndefined();
  expect(tree.find(utf8("kez"))).toBeUndefined();
  expect(tree.find(utf8("ke"))).toBeUndefined();
});

test("a tombstone stays while an older version may stand on the next page", () => {
  const [tree, version] = vacuumBeforeTombstone({});

  expect(tree.find(KEY, version)).toMatchObject({ version, value: undefined });
});

test("the sabotage prunesTombstonesEarly brings a deleted value back, which that test catches", () => {
  const [tree, version] = vacuumBeforeTombstone({ prunesTombstonesEarly: true });

  expect(tree.find(KEY, version)).toMatchObject({ version: version - 1 });
  expect(tree.find(KEY, version)?.value).toBeDefined();
});

test("what readers at or above the horizon see never changes by pruning", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = createRandom(seed);
    const tree = new TestTree(new MemoryPages());
    const model = new Model();
    const keys = Array.from({ length: 8 }, () => drawKey(random));
    let horizon = -1;
    for (let version = 1; version <= 300; version++) {
      const key = pick(random, keys);
      const row = { key, version, value: drawValue(random, key.length) };
      tree.insert(key, version, row.value, horizon);
      model.insert(row);
      if (random.chance(0.1)) horizon = Math.max(horizon, version - random.below(40));
      if (random.chance(0.1)) tree.vacuumAt(pick(random, keys), horizon);
      if (version % 10 > 0) continue;
      const rows = tree.rows();
      for (let at = Math.max(0, horizon); at <= version; at += 1 + random.below(5)) {
        expectSameRows(visibleAt(rows, at), model.visibleAt(at));
      }
    }
  }
});

test("an insert prunes the older versions of its key, so that a counter does not grow", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let version = 1; version <= 5000; version++) {
    tree.insert(KEY, version, utf8(`${version}`), version - 1);
  }

  const { rows, leaves } = await tree.check();

  expect(leaves).toBe(1);
  expect(rows).toBeLessThanOrEqual(2);
});

test("a horizon of -1 keeps everything", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let version = 0; version < 500; version++) tree.insert(KEY, version, undefined, -1);

  expect((await tree.check()).rows).toBe(500);
});

test("after everything was deleted and vacuumed, the tree is a single empty leaf", async () => {
  for (const order of ["ascending", "descending", "random"] as const) {
    const random = createRandom(3);
    const tree = new TestTree(new MemoryPages());
    const keys = Array.from({ length: 3000 }, (_, at) =>
      utf8(`key_${String(at).padStart(6, "0")}`),
    );
    for (const key of keys) tree.insert(key, 1, utf8("x".repeat(60)));
    expect((await tree.check()).levels).toBeGreaterThan(1);
    for (const key of keys) tree.insert(key, 2, undefined);
    if (order === "descending") keys.reverse();
    if (order === "random") keys.sort(() => (random.chance(0.5) ? 1 : -1));
    for (const key of keys) tree.vacuumAt(key, 3);
    tree.vacuumAll(3);

    const report = await tree.check();

    expect(report.rows).toBe(0);
    expect(report.pages).toEqual([tree.state.rootId]);
  }
});

test("between an old reader and the present, versions that nobody reads at go", () => {
  const readers = [3, 7, 8, 20];
  const isSeen = (from: number, below: number): boolean =>
    below > 30 || readers.some((reader) => reader >= from && reader < below);
  const tree = new TestTree(new MemoryPages(), { isSeen });
  for (let version = 1; version <= 40; version++) tree.insert(KEY, version, utf8(`${version}`));
  const before = readers.map((reader) => tree.find(KEY, reader));

  tree.vacuumAt(KEY, 3);

  expect(readers.map((reader) => tree.find(KEY, reader))).toEqual(before);
  const kept = Array.from({ length: 11 }, (_, at) => 40 - at); // 30 is what the present reads
  expect(firstLeaf(tree)).toEqual([...kept, 20, 8, 7, 3]);
});
