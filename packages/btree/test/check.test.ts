import { expect, test } from "vitest";
import { PAGE_BYTES, type PageId, PageView } from "@kvs/pager";
import { FINDINGS_MAX, type TreeReport, checkTree } from "../src/check.ts";
import { OVERFLOW_PAGE_BYTES } from "../src/overflow-value.ts";
import { PageEditor } from "../src/page-editor.ts";
import {
  NEXT_OFFSET,
  PREFIX_OFFSET,
  TREE_ID_OFFSET,
  cellAt,
  cellValueAt,
  entryCount,
  entryWord,
  nextPage,
  pageLevel,
  prefixLength,
  treeIdOf,
} from "../src/tree-page.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

/** A tree of three levels. */
function highTree(): TestTree {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 400; at++) {
    tree.insert(utf8(`a common prefix ${String(at).padStart(200, "0")}`), 1, utf8("x".repeat(600)));
  }
  return tree;
}

function run(tree: TestTree): Promise<TreeReport> {
  return checkTree(tree.state, tree.pages, tree.pages.attempt);
}

/** Pages of the tree by level, in order. */
async function levelsOf(tree: TestTree): Promise<PageId[][]> {
  const levels: PageId[][] = [];
  for (const id of (await run(tree)).pages) {
    tree.pages.damage(id, (view) => (levels[pageLevel(view)] ??= []).push(id));
  }
  return levels;
}

test("a sound tree has no findings, and the report counts it", async () => {
  const tree = highTree();
  const report = await run(tree);

  expect(report).toMatchObject({ findings: [], rows: 400, levels: 3, runs: [] });
  expect(report.leafBytes / (report.leaves * 4008)).toBeGreaterThan(0.4);
  expect(new Set(report.pages).size).toBe(report.pages.length);
});

test.each<[name: string, level: number, change: (view: PageView) => void, finding: string]>([
  [
    "a page of another tree",
    0,
    (view) =>
      view.u32.fill(
        8,
        (view.base + TREE_ID_OFFSET) >>> 2,
        ((view.base + TREE_ID_OFFSET) >>> 2) + 1,
      ),
    "place: it is of tree 8",
  ],
  [
    "a wrong link",
    0,
    (view) =>
      view.u32.fill(5, (view.base + NEXT_OFFSET) >>> 2, ((view.base + NEXT_OFFSET) >>> 2) + 1),
    "next: it links to 5",
  ],
  [
    "a wrong link above",
    1,
    (view) =>
      view.u32.fill(0, (view.base + NEXT_OFFSET) >>> 2, ((view.base + NEXT_OFFSET) >>> 2) + 1),
    "next: it links to 0",
  ],
  [
    "a byte of the prefix",
    0,
    (view) => view.u8.fill(1, view.base + PREFIX_OFFSET + 3, view.base + PREFIX_OFFSET + 4),
    "prefix: byte 3",
  ],
  [
    "a key before its fence",
    0,
    (view) => view.u32.fill(0, entryWord(view, 0), entryWord(view, 0) + 1),
    "fence: its first entry",
  ],
  [
    "a key behind its fence",
    0,
    (view) => {
      view.u32[entryWord(view, entryCount(view) - 1)]! |= 0xff00_0000;
    },
    "fence: its last entry",
  ],
  [
    "a reserved byte",
    1,
    (view) => view.u8.fill(1, view.base + 65, view.base + 66),
    "page: a reserved byte",
  ],
  [
    "a child of another level",
    2,
    (view) => view.u8.copyWithin(cellAt(view, 0), view.base + 80, view.base + 84),
    "place: it is reached twice",
  ],
])("%s is found", async (_name, level, change, finding) => {
  const tree = highTree();
  const levels = await levelsOf(tree);
  const id = levels[level]![level === 2 ? 0 : 1]!;
  tree.pages.damage(id, change);

  const { findings } = await run(tree);

  expect(findings.map(({ type, message }) => `${type}: ${message}`).join("\n")).toContain(finding);
  if (level < 2) expect(findings[0]!.page).toBe(id);
});

test("a child that is a page of another level is found", async () => {
  const tree = highTree();
  const levels = await levelsOf(tree);
  tree.pages.damage(levels[2]![0]!, (view) => {
    view.u32[(view.base + 80) >>> 2] = levels[0]![0]!;
  });

  expect((await run(tree)).findings[0]).toMatchObject({ type: "place", page: levels[0]![0] });
});

test("a prefix that is shorter than it could be is found", async () => {
  const tree = highTree();
  const levels = await levelsOf(tree);
  const id = levels[0]![1]!;
  tree.pages.damage(id, (view) => {
    const copy = PageView.of(view.u8.slice(view.base, view.base + PAGE_BYTES));
    const [level, treeId, firstChild] = [0, treeIdOf(copy), 0 as PageId];
    const prefix = copy.u8.slice(PREFIX_OFFSET, PREFIX_OFFSET + prefixLength(copy) - 1);
    const editor = new PageEditor();
    editor.format(view, { id, level, treeId, next: nextPage(copy), firstChild }, prefix);
    editor.appendFrom(view, copy, 0, entryCount(copy));
  });

  expect((await run(tree)).findings).toMatchObject([{ type: "prefix", page: id }]);
});

test("REL-P4 two rows that own the same pages are found, and a value that changed", async () => {
  const tree = new TestTree(new MemoryPages());
  tree.insert(utf8("a"), 1, new Uint8Array(2 * OVERFLOW_PAGE_BYTES).fill(1));
  tree.insert(utf8("b"), 1, new Uint8Array(2 * OVERFLOW_PAGE_BYTES).fill(2));
  tree.pages.damage(tree.state.rootId, (view) => {
    const from = cellValueAt(view, 0);
    view.u8.copyWithin(cellValueAt(view, 1) + 12, from + 12, from + 18);
  });

  const messages = (await run(tree)).findings.map(({ type, message }) => `${type}: ${message}`);

  expect(messages.filter((text) => text.includes("value: it shares page"))).toHaveLength(2);
  expect(messages.at(-1)).toContain("value: entry 1: BTREE_DAMAGED_VALUE");
});

test("a check looks for no more than so many findings", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 22_000; at++) {
    tree.insert(utf8(`k${String(at).padStart(6, "0")}`), 1, utf8("x".repeat(150)));
  }
  for (const id of (await levelsOf(tree))[0]!) {
    tree.pages.damage(id, (view) => view.u8.fill(1, view.base + 65, view.base + 66));
  }

  expect((await run(tree)).findings).toHaveLength(FINDINGS_MAX);
});

test("what is not about a page ends the check", async () => {
  const tree = highTree();
  const fails = () => Promise.reject(new Error("the disk is gone"));

  await expect(checkTree(tree.state, tree.pages, fails)).rejects.toThrow("the disk is gone");
});

test("a tree that changes under a check is a bug of the caller", async () => {
  const tree = highTree();
  const checking = run(tree);
  tree.insert(utf8("new"), 1, utf8("x"));

  await expect(checking).rejects.toThrow("does not change while it is checked");
});
