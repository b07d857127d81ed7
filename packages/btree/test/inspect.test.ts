import { expect, test } from "vitest";
import { PageView } from "@kvs/pager";
import { describePage, describeTree } from "../src/inspect.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

test("a leaf as text", () => {
  const tree = new TestTree(new MemoryPages());
  tree.insert(utf8("deleted"), 9, undefined);
  tree.insert(utf8("key"), 2, utf8("text"));
  tree.insert(Uint8Array.of(0, 0xff), 1, utf8('a "quoted" word'));
  tree.insert(utf8("long"), 3, new Uint8Array(5000));
  tree.insert(utf8("long text"), 3, utf8("x".repeat(100)));

  expect(describePage(PageView.of(tree.pages.bytesOf(tree.state.rootId)))).toMatchInlineSnapshot(`
    "page 3 (leaf): tree 7, 5 entries, prefix "", 3778 bytes free, 0 of them garbage, the last of its level
      0x00ff @1 = 0x61202271756f7465642220776f7264
      "deleted" @9 = deleted
      "key" @2 = "text"
      "long" @3 = 5000 bytes in pages 4+2
      "long text" @3 = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… (100 bytes)"
  `);
});

test("a tree as text, by level, with or without rows", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 7; at++) tree.insert(utf8(`key ${at}`), 1, utf8("x".repeat(900)));
  for (let version = 2; version < 9; version++) {
    tree.insert(utf8("key 3"), version, utf8("y".repeat(900)));
  }

  const text = await describeTree(tree.state, tree.pages, tree.pages.attempt);
  const outline = await describeTree(tree.state, tree.pages, tree.pages.attempt, { rows: false });

  expect(outline).toMatchInlineSnapshot(`
    "page 3 (interior, level 1): tree 7, 5 entries, prefix "", 3929 bytes free, 0 of them garbage, the last of its level
      page 4 (leaf): tree 7, 3 entries, prefix "", 1254 bytes free, 0 of them garbage, next 5
      "key 3": page 5 (leaf): tree 7, 4 entries, prefix "key 3", 332 bytes free, 0 of them garbage, next 9
      "key 3" @4: page 9 (leaf): tree 7, 2 entries, prefix "key 3", 2166 bytes free, 0 of them garbage, next 8
      "key 3" @2: page 8 (leaf): tree 7, 2 entries, prefix "key ", 2170 bytes free, 0 of them garbage, next 7
      "key 4": page 7 (leaf): tree 7, 1 entries, prefix "key ", 3087 bytes free, 0 of them garbage, next 6
      "key 5": page 6 (leaf): tree 7, 2 entries, prefix "", 2172 bytes free, 0 of them garbage, the last of its level"
  `);
  expect(text.split("\n").filter((line) => line.includes(" = "))).toHaveLength(14);
  expect(text).toContain('"key 3" @5');
});

test("a tree with a damaged page is shown as far as it goes", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 20; at++) tree.insert(utf8(`key ${at}`), 1, utf8("x".repeat(900)));
  const { pages } = await tree.check();
  tree.pages.damage(pages[2]!, (view) => view.u8.fill(1, view.base + 65, view.base + 66));

  const text = await describeTree(tree.state, tree.pages, tree.pages.attempt);

  expect(text).toContain(`page ${pages[2]}: damaged`);
  expect(text).toContain("a reserved byte is not zero");
});

test("a long tree is cut", async () => {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 50; at++) tree.insert(utf8(`key ${at}`), 1, utf8("x".repeat(100)));

  const text = await describeTree(tree.state, tree.pages, tree.pages.attempt, { linesMax: 5 });

  expect(text.split("\n")).toHaveLength(6);
  expect(text.endsWith("…")).toBe(true);
});
