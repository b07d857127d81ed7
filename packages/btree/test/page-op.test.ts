import { expect, test } from "vitest";
import { ByteWriter } from "@kvs/codec";
import { type Random, createRandom, isKvsError } from "@kvs/env";
import {
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_INTERIOR,
  PAGE_LEAF,
  PAGE_OVERFLOW,
  type PageId,
  PageView,
  bitmapPageOf,
  formatPage,
  hasBit,
  pageType,
  setPageLsn,
  toPageLsn,
} from "@kvs/pager";
import { checkPage, layoutFault } from "../src/page-check.ts";
import { PageEditor } from "../src/page-editor.ts";
import {
  OP_BITS,
  OP_IMAGE,
  OP_INSERT,
  OP_KEEP_FIRST,
  OP_REMOVE,
  PageOps,
  writeImage,
  writeOpHeader,
} from "../src/page-op.ts";
import { Probe } from "../src/probe.ts";
import { writeRowInsert, writeSeparatorInsert } from "../src/row.ts";
import { entryCount, garbageBytes, heapStart, prefixLength } from "../src/tree-page.ts";
import { MemoryPages } from "./memory-pages.ts";
import { TestTree, drawKey, drawValue, utf8 } from "./test-tree.ts";

const PAGE = 9 as PageId;
const NONE = 0 as PageId;
const NEIGHBOUR = new Uint8Array(PAGE_BYTES).fill(0xaa);
const damaged = expect.objectContaining({ code: "BTREE_DAMAGED_OP", outcome: "none" });

/** The middle one of three pages of one buffer, the others full of a pattern. */
function pageInTheMiddle(): PageView {
  const memory = new Uint8Array(3 * PAGE_BYTES).fill(0xaa);
  return PageView.of(memory.subarray(PAGE_BYTES, 2 * PAGE_BYTES));
}

function leafWith(keys: readonly string[], prefix = ""): PageView {
  const page = pageInTheMiddle();
  const shape = { id: PAGE, level: 0, treeId: 1, next: NONE, firstChild: NONE };
  new PageEditor().format(page, shape, utf8(prefix));
  setPageLsn(page, toPageLsn(77));
  for (const [slot, key] of keys.entries()) apply(page, rowInsert(page, slot, prefix + key));
  return page;
}

function rowInsert(page: PageView, slot: number, key: string, text = "value"): Uint8Array {
  const writer = new ByteWriter();
  const probe = new Probe().set(utf8(key), utf8(key).length, 5);
  const bytes = utf8(text);
  writeRowInsert(writer, page, slot, {
    probe,
    value: { flags: 0, bytes, from: 0, to: bytes.length },
  });
  return writer.toBytes();
}

function op(opcode: number, write: (writer: ByteWriter) => void, page: PageId = PAGE): Uint8Array {
  const writer = new ByteWriter();
  writeOpHeader(writer, opcode, page);
  write(writer);
  return writer.toBytes();
}

function apply(page: PageView, bytes: Uint8Array): void {
  new PageOps().apply(page, bytes, 0);
}

/** Expects the op to be refused, and not a byte of the memory to change. */
function expectRefused(page: PageView, bytes: Uint8Array): void {
  const before = page.u8.slice();
  expect(() => apply(page, bytes)).toThrow(damaged);
  expect(Buffer.compare(page.u8, before)).toBe(0);
}

test("an op says which page it changes, where it ends, and whether it is an image", () => {
  const page = leafWith(["a", "b"]);
  const record = new ByteWriter();
  record.bytes(rowInsert(page, 1, "aa"));
  const second = record.position;
  writeImage(record, page);
  const bytes = record.toBytes();

  expect(PageOps.pageOf(bytes, 0)).toBe(PAGE);
  expect(PageOps.endOf(bytes, 0)).toBe(second);
  expect(PageOps.endOf(bytes, second)).toBe(bytes.length);
  expect([PageOps.isImage(bytes, 0), PageOps.isImage(bytes, second)]).toEqual([false, true]);
});

test("an image makes the same page anywhere, but for its LSN", () => {
  const page = leafWith(["a", "bcdefgh", "c"]);
  const writer = new ByteWriter();
  writeImage(writer, page);
  const other = pageInTheMiddle();
  setPageLsn(other, toPageLsn(77));
  other.u8.fill(0, other.base, other.base + 4);

  apply(other, writer.toBytes());

  expect(Buffer.compare(other.u8, page.u8)).toBe(0);
  expect(writer.position).toBeLessThan(300);
});

test("bits of a bitmap page are set and cleared", () => {
  const page = pageInTheMiddle();
  const id = bitmapPageOf(PAGE);
  formatPage(page, id, PAGE_BITMAP);
  const bits = (value: number): Uint8Array =>
    op(
      OP_BITS,
      (writer) => {
        writer.u16(5);
        writer.u16(3);
        writer.u8(value);
      },
      id,
    );

  apply(page, bits(1));
  expect([4, 5, 6, 7, 8].map((bit) => hasBit(page, bit))).toEqual([false, true, true, true, false]);
  apply(page, bits(0));
  expect(hasBit(page, 6)).toBe(false);
  expectRefused(page, bits(2));
  expectRefused(leafWith([]), bits(1));
});

test("ops that do not fit the page are refused", () => {
  const page = leafWith(["a", "b", "c"], "pre");
  const u16s = (opcode: number, ...words: number[]): Uint8Array =>
    op(opcode, (writer) => words.forEach((word) => writer.u16(word)));

  expectRefused(page, rowInsert(page, 4, "prez"));
  expectRefused(page, u16s(OP_REMOVE, 3, 1));
  expectRefused(page, u16s(OP_REMOVE, 0, 4));
  expectRefused(page, u16s(OP_KEEP_FIRST, 0, 3, 0, 0));
  expectRefused(page, u16s(OP_KEEP_FIRST, 4, 3, 0, 0));
  expectRefused(page, u16s(OP_KEEP_FIRST, 2, 2, 0, 0));
  expectRefused(page, u16s(OP_KEEP_FIRST, 2, 4, 0, 0));
  expectRefused(page, u16s(OP_KEEP_FIRST, 1, 5, 0, 0));
  expectRefused(page, u16s(OP_REMOVE, 0));
  expectRefused(page, u16s(0, 0, 0));
  expectRefused(page, u16s(6, 0, 0, 0, 0, 0, 0));
  expectRefused(page, new Uint8Array(0));
  expectRefused(
    page,
    op(OP_REMOVE, (writer) => writer.u32(0), 10 as PageId),
  );
  const overflow = pageInTheMiddle();
  formatPage(overflow, PAGE, PAGE_OVERFLOW);
  expectRefused(overflow, u16s(OP_REMOVE, 0, 0));
});

test("an insert whose lengths, flags or head disagree is refused", () => {
  const page = leafWith(["a", "b", "c"], "pre");
  const good = rowInsert(page, 3, "predefgh");
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    bytes[at] = value;
    return bytes;
  };
  const INFO = 7;
  const CELL_LENGTH = 13;
  const VALUE_LENGTH = 22;

  for (const info of [0x40, 0x80, 0x20]) expectRefused(page, changed(INFO + 1, info));
  expectRefused(page, changed(INFO, 6));
  expectRefused(page, changed(INFO, 2));
  expectRefused(page, changed(INFO + 1, 0x07));
  expectRefused(page, changed(CELL_LENGTH, good[CELL_LENGTH]! - 1));
  expectRefused(page, changed(CELL_LENGTH, 3));
  expectRefused(page, changed(VALUE_LENGTH, 4));
  expectRefused(page, changed(VALUE_LENGTH + 1, 0xff));
  apply(page, good);
  expect(checkPage(page)).toEqual([]);
});

test("a separator is inserted with or without a version, and refused with a wrong length", () => {
  const page = pageInTheMiddle();
  const shape = { id: PAGE, level: 1, treeId: 1, next: NONE, firstChild: 3 as PageId };
  new PageEditor().format(page, shape, utf8(""));
  const writer = new ByteWriter();
  const probe = new Probe().set(utf8("separator"), 9, 5);
  writeSeparatorInsert(writer, page, 0, { probe, hasVersion: true, child: 0xfedc_ba98 as PageId });
  const bytes = writer.toBytes();
  const withoutVersion = bytes.slice();
  withoutVersion[8]! &= ~0x20;

  expectRefused(page, withoutVersion);
  apply(page, bytes);

  expect(checkPage(page)).toEqual([]);
  expect(entryCount(page)).toBe(1);
});

test("an insert into a full page is refused", () => {
  const page = leafWith([]);
  for (let slot = 0; slot < 3; slot++)
    apply(page, rowInsert(page, slot, `${slot}`, "x".repeat(1300)));

  expectRefused(page, rowInsert(page, 3, "3", "x".repeat(60)));
  apply(page, rowInsert(page, 3, "3", "x".repeat(20)));
  expect(checkPage(page)).toEqual([]);
});

test("an image of no page is refused", () => {
  const page = leafWith(["a", "b", "c"]);
  const writer = new ByteWriter();
  writeImage(writer, page);
  const good = writer.toBytes();
  const COUNT = 5 + 8 + 2;
  for (const [at, value] of [
    [9, 0],
    [9, 1],
    [9, 4],
    [COUNT, 200],
    [COUNT + 1, 0xff],
    [COUNT + 3, 0xff],
    [COUNT + 5, 0xff],
    [COUNT + 7, 1],
    [5, 0],
    [8, 0x20],
  ] as const) {
    const bytes = good.slice();
    bytes[at] = value;
    expectRefused(page, bytes);
  }
  expectRefused(page, good.subarray(0, good.length - 1));
});

test("REL-P6 whatever bytes an op has, it changes its page soundly or not at all, and no other", () => {
  const ops = new PageOps();
  for (let seed = 1; seed <= 25; seed++) {
    const random = createRandom(seed);
    const records = recordsOf(random);
    for (let round = 0; round < 40; round++) {
      const { before, bytes } = records[random.below(records.length)]!;
      const hostile = mutate(random, bytes);
      const page = pageInTheMiddle();
      page.u8.set(before, page.base);
      try {
        ops.apply(page, hostile, 0);
      } catch (error) {
        if (!isKvsError(error, "BTREE_DAMAGED_OP")) throw error;
        expect(Buffer.compare(page.u8.subarray(page.base, page.base + PAGE_BYTES), before)).toBe(0);
      }
      expect(Buffer.compare(page.u8.subarray(0, PAGE_BYTES), NEIGHBOUR)).toBe(0);
      expect(Buffer.compare(page.u8.subarray(2 * PAGE_BYTES), NEIGHBOUR)).toBe(0);
      if (pageType(page) === PAGE_LEAF || pageType(page) === PAGE_INTERIOR) {
        expect(layoutFault(page)).toBeUndefined();
      }
    }
  }
});

interface Recorded {
  readonly before: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Ops as a tree writes them, each with its page as it was before. */
function recordsOf(random: Random): Recorded[] {
  const pages = new MemoryPages();
  const tree = new TestTree(pages);
  const recorded: Recorded[] = [];
  const last = new Map<PageId, Uint8Array>();
  pages.onEnd = (record) => {
    const ops = new PageOps();
    for (let at = 0; at < record.length; at = PageOps.endOf(record, at)) {
      const id = PageOps.pageOf(record, at);
      if (id === bitmapPageOf(id)) continue;
      const view = pageInTheMiddle();
      const before = last.get(id);
      if (before !== undefined) view.u8.set(before, view.base);
      const bytes = record.slice(at, PageOps.endOf(record, at));
      if (before !== undefined && before[4] !== PAGE_OVERFLOW) recorded.push({ before, bytes });
      if (before === undefined && bytes[0] !== OP_IMAGE) continue;
      ops.apply(view, bytes, 0);
      last.set(id, view.u8.slice(view.base, view.base + PAGE_BYTES));
    }
  };
  last.set(tree.state.rootId, pages.bytesOf(tree.state.rootId));
  for (let version = 1; version < 120; version++) {
    const key = drawKey(random);
    tree.insert(key, version, drawValue(random, key.length), version - 10);
  }
  tree.vacuumAll(120);
  return recorded.filter(({ before }) => checkPageBytes(before));
}

function checkPageBytes(bytes: Uint8Array): boolean {
  return checkPage(PageView.of(bytes.slice())).length === 0;
}

function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  const hostile = bytes.slice();
  const changes = 1 + random.below(3);
  for (let change = 0; change < changes; change++) {
    const near = random.chance(0.7) ? Math.min(40, hostile.length) : hostile.length;
    hostile[random.below(near)] = random.chance(0.3) ? 0xff : random.below(256);
  }
  return random.chance(0.1) ? hostile.subarray(0, random.below(hostile.length + 1)) : hostile;
}

test("keeping the first entries narrows the prefix", () => {
  const page = leafWith(["ab1", "ab2", "b"], "pre");
  const bytes = op(OP_KEEP_FIRST, (writer) => {
    writer.u16(2);
    writer.u16(5);
    writer.u32(12);
  });

  apply(page, bytes);

  expect([entryCount(page), prefixLength(page)]).toEqual([2, 5]);
  expect(checkPage(page)).toEqual([]);
});

test("removing the last entry empties the heap", () => {
  const page = leafWith(["a", "b", "c"]);
  const remove = (slot: number, count: number): Uint8Array =>
    op(OP_REMOVE, (writer) => {
      writer.u16(slot);
      writer.u16(count);
    });

  apply(page, remove(1, 1));
  expect(garbageBytes(page)).toBe(14);
  expect(checkPage(page)).toEqual([]);
  apply(page, remove(0, 2));
  expect([garbageBytes(page), heapStart(page)]).toEqual([0, PAGE_BYTES]);
});

test("an insert with a byte more than its record is refused", () => {
  const page = leafWith(["a"]);
  const bytes = rowInsert(page, 1, "b");

  expect(bytes[0]).toBe(OP_INSERT);
  expectRefused(page, bytes.subarray(0, bytes.length - 1));
});
