import { expect, test } from "vitest";
import { createRandom } from "@kvs/env";
import { PAGE_BYTES, PAGE_OVERFLOW, PageView } from "@kvs/pager";
import { checkPage, comparePositions } from "../src/page-check.ts";
import { describePage } from "../src/inspect.ts";
import {
  COUNT_OFFSET,
  FIRST_CHILD_OFFSET,
  GARBAGE_OFFSET,
  HEAP_START_OFFSET,
  LEVEL_OFFSET,
  PREFIX_LENGTH_OFFSET,
  cellAt,
  entryWord,
} from "../src/tree-page.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, utf8 } from "./test-tree.ts";

/** A leaf with five rows: short ones, a tombstone, one with pages of its own. */
function leaf(): PageView {
  const tree = new TestTree(new MemoryPages());
  tree.insert(utf8("a"), 2, utf8("first"));
  tree.insert(utf8("a"), 1, utf8("older"));
  tree.insert(utf8("longer key"), 3, utf8("second"));
  tree.insert(utf8("t"), 4, undefined);
  tree.insert(utf8("z"), 5, new Uint8Array(5000));
  return PageView.of(tree.pages.bytesOf(tree.state.rootId));
}

function interior(): PageView {
  const tree = new TestTree(new MemoryPages());
  for (let at = 0; at < 200; at++) tree.insert(utf8(`key ${at}`), 1, utf8("x".repeat(50)));
  return PageView.of(tree.pages.bytesOf(tree.state.rootId));
}

type Damage = (page: PageView) => void;

function u16(offset: number, value: number): Damage {
  return (page) => {
    page.u16[offset >>> 1] = value;
  };
}

function u8(offset: number, value: number): Damage {
  return (page) => {
    page.u8[offset] = value;
  };
}

function info(slot: number, change: (info: number) => number): Damage {
  return (page) => {
    const at = 2 * entryWord(page, slot) + 3;
    page.u16[at] = change(page.u16[at]!);
  };
}

test("a sound page has no faults", () => {
  expect(checkPage(leaf())).toEqual([]);
  expect(checkPage(interior())).toEqual([]);
});

test.each<[damage: string, page: () => PageView, change: Damage, fault: string]>([
  ["the type", leaf, u8(4, PAGE_OVERFLOW), "type 5 is of no tree"],
  ["the level of a leaf", leaf, u8(LEVEL_OFFSET, 1), "level 1 is not of type 3"],
  ["the level of an interior page", interior, u8(LEVEL_OFFSET, 0), "level 0 is not of type 4"],
  ["a level that is too high", interior, u8(LEVEL_OFFSET, 32), "level 32 is too high"],
  ["a child of a leaf", leaf, u8(FIRST_CHILD_OFFSET, 1), "a leaf has no child"],
  ["no first child", interior, (page) => page.u32.fill(0, 20, 21), "a leaf has no child"],
  ["the flags", leaf, u8(LEVEL_OFFSET + 1, 1), "a reserved byte"],
  ["a reserved byte", leaf, u8(75, 1), "a reserved byte"],
  ["the prefix length", leaf, u16(PREFIX_LENGTH_OFFSET, 1101), "a prefix of 1101 bytes"],
  ["the count", leaf, u16(COUNT_OFFSET, 1000), "entries end at 8088"],
  ["the count, by one", leaf, u16(COUNT_OFFSET, 4), "the free byte"],
  ["the heap's start", leaf, u16(HEAP_START_OFFSET, 4097), "cells begin at 4097"],
  ["the garbage", leaf, u16(GARBAGE_OFFSET, 1), "do not fill the heap"],
  ["a byte in the gap", leaf, u8(200, 1), "the free byte 200 is not zero"],
  ["a flag of an entry", leaf, info(1, (old) => old | 0x4000), "entry 1: unknown flags"],
  ["a version flag in a leaf", leaf, info(1, (old) => old | 0x2000), "entry 1: unknown flags"],
  [
    "a tombstone in an interior page",
    interior,
    info(0, (old) => old | 0x800),
    "entry 0: unknown flags",
  ],
  ["a key's length", leaf, info(2, () => 1101), "entry 2: a key of 1101 bytes"],
  [
    "a head",
    leaf,
    (page) => page.u32.fill(0x61_00_00_01, entryWord(page, 0), entryWord(page, 0) + 1),
    "entry 0: its head",
  ],
  ["the head of an empty key", leaf, info(0, () => 0), "entry 0: its head"],
  [
    "a cell before the heap",
    leaf,
    (page) => page.u16.fill(100, 2 * entryWord(page, 1) + 2, 2 * entryWord(page, 1) + 3),
    "entry 1: its cell is at 100",
  ],
  [
    "a cell behind the page",
    leaf,
    (page) => page.u16.fill(4093, 2 * entryWord(page, 1) + 2, 2 * entryWord(page, 1) + 3),
    "entry 1: its cell is at 4093",
  ],
  [
    "a value's length",
    leaf,
    (page) => page.u8.fill(0xff, cellAt(page, 0) + 7, cellAt(page, 0) + 9),
    "entry 0: its cell goes beyond",
  ],
  [
    "two entries",
    leaf,
    (page) => page.u32.copyWithin(entryWord(page, 0), entryWord(page, 1), entryWord(page, 2)),
    "overlaps another",
  ],
  [
    "the order",
    leaf,
    (page) => page.u8.fill(9, cellAt(page, 1) + 6, cellAt(page, 1) + 7),
    "entry 1 is not behind",
  ],
  [
    "a tombstone with a value",
    leaf,
    info(0, (old) => old | 0x800),
    "entry 0: a tombstone with a value",
  ],
  [
    "a descriptor",
    leaf,
    (page) => page.u8.fill(0, cellAt(page, 4) + 9, cellAt(page, 4) + 13),
    "entry 4: ",
  ],
  [
    "a value that is gone in part",
    leaf,
    (page) => page.u8.fill(1, cellAt(page, 4) + 17, cellAt(page, 4) + 18),
    "entry 4: a value that is gone",
  ],
])("damage to %s is found", (_name, makePage, change, fault) => {
  const page = makePage();
  change(page);

  expect(checkPage(page).join("\n")).toContain(fault);
  expect(describePage(page)).toContain("damaged");
});

test("a page of any bytes at all is looked at without harm", () => {
  const random = createRandom(1);
  for (let round = 0; round < 3000; round++) {
    const page = PageView.of(random.fill(new Uint8Array(PAGE_BYTES)));
    page.u8[4] = 3 + random.below(2);
    expect(checkPage(page)).toHaveLength(1);
  }
});

test("positions are ordered by key, shorter first, then newest first", () => {
  const at = (key: string, version: number) => ({ key: utf8(key), version });

  expect(comparePositions(at("a", 1), at("b", 9))).toBeLessThan(0);
  expect(comparePositions(at("ab", 1), at("a", 9))).toBeGreaterThan(0);
  expect(comparePositions(at("a", 2), at("a", 1))).toBeLessThan(0);
  expect(comparePositions(at("a", 2), at("a", 2))).toBe(0);
});
