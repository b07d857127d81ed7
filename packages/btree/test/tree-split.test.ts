import { expect, test } from "vitest";
import { type PageView } from "@kvs/pager";
import { positionsOf } from "../src/page-check.ts";
import { NEWEST_VERSION } from "../src/probe.ts";
import { childAt, entryCount, pageLevel, prefixLength, usedBytes } from "../src/tree-page.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

/** The separators of the root, as text, with the version if they have one. */
function rootSeparators(tree: TestTree): string[] {
  return look(tree, tree.state.rootId, (view) =>
    positionsOf(view).map(({ key, version }) => {
      const text = Buffer.from(key).toString();
      return version === NEWEST_VERSION ? text : `${text}@${version}`;
    }),
  );
}

function look<Result>(tree: TestTree, id: number, see: (view: PageView) => Result): Result {
  let result: Result | undefined;
  tree.pages.damage(id as typeof tree.state.rootId, (view) => {
    result = see(view);
  });
  return result!;
}

test("REL-P6 a separator is the shortest text between its neighbours", () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 10; at < 40; at++) tree.insert(utf8(`${at} ${"tail".repeat(100)}`), 1, utf8(""));

  const separators = rootSeparators(tree);

  expect(separators.length).toBeGreaterThan(2);
  for (const separator of separators) expect(separator.length).toBeLessThanOrEqual(2);
});

test("REL-P6 a key that goes on where another ends is parted by one byte", () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 40; at++) tree.insert(utf8("a".repeat(at)), 1, utf8("x".repeat(300)));

  for (const separator of rootSeparators(tree)) expect(separator).toMatch(/^a+$/);
  for (let at = 0; at < 40; at++) expect(tree.findFast(utf8("a".repeat(at)), 1)).toBe(1);
});

test("a split goes between keys if that is near, and between versions otherwise", () => {
  const tree = new TestTree(new MemoryPages());
  for (let version = 1; version <= 18; version++) {
    for (const key of ["a", "b", "c"]) tree.insert(utf8(key), version, utf8("x".repeat(90)));
  }
  expect(rootSeparators(tree).every((separator) => !separator.includes("@"))).toBe(true);

  for (let version = 19; version <= 100; version++) tree.insert(utf8("b"), version, utf8("x"));
  for (let version = 101; version <= 160; version++) {
    tree.insert(utf8("b"), version, utf8("x".repeat(90)));
  }
  const separators = rootSeparators(tree);
  expect(separators.some((separator) => separator.startsWith("b@"))).toBe(true);
  for (let version = 1; version <= 160; version++) {
    expect(tree.findFast(utf8("b"), version)).toBe(version);
  }
});

test("inner pages leave out what their fences share", () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 300; at++) {
    const key = utf8(`a long common prefix ${String(at).padStart(5, "0")}`);
    tree.insert(key, 1, utf8("x".repeat(100)));
  }
  const second = look(tree, tree.state.rootId, (view) => childAt(view, 0));

  expect(look(tree, second, prefixLength)).toBeGreaterThanOrEqual("a long common prefix 00".length);
});

test("a tree that grows in order fills its pages", async () => {
  for (const order of ["ascending", "descending"]) {
    const tree = new TestTree(new MemoryPages());
    for (let at = 0; at < 2000; at++) {
      const number = order === "ascending" ? at : 2000 - at;
      tree.insert(utf8(String(number).padStart(5, "0")), 1, utf8("x".repeat(200)));
    }
    const { pages } = await tree.check();
    const full = pages.map((id) => look(tree, id, (view) => [pageLevel(view), usedBytes(view)]));
    const leaves = full.filter(([level]) => level === 0).map(([, used]) => used! / 4008);
    const interiors = full.filter(([level]) => level === 1).map(([, used]) => used! / 4008);

    expect(leaves.filter((fill) => fill > 0.85).length).toBeGreaterThan(leaves.length - 3);
    expect(interiors.filter((fill) => fill > 0.5).length).toBeGreaterThanOrEqual(
      interiors.length - 1,
    );
  }
});

test("a root keeps its number at every height", () => {
  const tree = new TestTree(new MemoryPages());
  const root = tree.state.rootId;
  const heights = new Set<number>();
  for (let at = 0; at < 60; at++) {
    tree.insert(utf8(String(at).padStart(1000, "0")), 1, utf8(""));
    heights.add(look(tree, root, pageLevel));
  }

  expect([...heights]).toEqual([0, 1, 2, 3, 4]);
  expect(look(tree, root, entryCount)).toBeGreaterThan(0);
});
