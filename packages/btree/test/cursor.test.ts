import { expect, test } from "vitest";
import { createRandom, pick } from "@kvs/env";
import { positionAt } from "../src/page-check.ts";
import { PageEditor } from "../src/page-editor.ts";
import { entryCount, pageLevel } from "../src/tree-page.ts";
import { MemoryPages, type MemoryPagesOptions } from "./memory-pages.ts";
import {
  Model,
  type Row,
  TestTree,
  compareRows,
  drawKey,
  drawValue,
  expectSameRows,
  utf8,
} from "./test-tree.ts";

function value(text: string): Uint8Array {
  return utf8(text.padEnd(80, "."));
}

/** A tree with keys `key_000`, `key_002` … of one version. */
function evenTree(count: number, options: MemoryPagesOptions = {}): TestTree {
  const tree = new TestTree(new MemoryPages(options));
  for (let at = 0; at < count; at++) tree.insert(evenKey(at), 1, value(`${at}`));
  return tree;
}

function evenKey(at: number): Uint8Array {
  return utf8(`key_${String(2 * at).padStart(5, "0")}`);
}

test("a cursor walks over all rows, forwards and backwards", () => {
  const tree = evenTree(500);
  const cursor = tree.cursor(new Uint8Array(0));
  const forwards: Row[] = [];
  while (cursor.next()) forwards.push(tree.rowAt(cursor));
  const backwards: Row[] = [];
  cursor.placeAtEnd();
  while (cursor.previous()) backwards.push(tree.rowAt(cursor));

  expect(forwards).toHaveLength(500);
  expectSameRows(backwards.toReversed(), forwards);
});

test("REL-P7 a cursor that met the end stays there, and turns round", () => {
  const tree = evenTree(3);
  const cursor = tree.cursor(evenKey(2));

  expect(cursor.next()).toBe(true);
  expect(cursor.next()).toBe(false);
  expect(cursor.next()).toBe(false);
  expect(cursor.previous()).toBe(true);
  expect(tree.rowAt(cursor).key).toEqual(evenKey(1));
  expect(cursor.previous()).toBe(true);
  expect(cursor.previous()).toBe(false);
  expect(cursor.next()).toBe(true);
  expect(tree.rowAt(cursor).key).toEqual(evenKey(1));
});

test("REL-P7 a seek past the end, before the start, and between keys", () => {
  const tree = evenTree(200);

  expect(tree.cursor(utf8("zzz")).next()).toBe(false);
  expect(tree.cursor(new Uint8Array(0)).previous()).toBe(false);
  const between = tree.cursor(utf8("key_00101"));
  expect(between.next()).toBe(true);
  expect(tree.rowAt(between).key).toEqual(utf8("key_00102"));
  const before = tree.cursor(utf8("key_00101"));
  expect(before.previous()).toBe(true);
  expect(tree.rowAt(before).key).toEqual(utf8("key_00100"));
});

test("an empty tree has no rows in either direction", () => {
  const tree = new TestTree(new MemoryPages());
  const cursor = tree.cursor(new Uint8Array(0));

  expect(cursor.next()).toBe(false);
  expect(cursor.previous()).toBe(false);
  cursor.placeAtEnd();
  expect(cursor.previous()).toBe(false);
});

test("a cursor tells tombstones and long values", () => {
  const tree = new TestTree(new MemoryPages());
  tree.insert(utf8("a"), 1, undefined);
  tree.insert(utf8("b"), 1, new Uint8Array(5000));
  const cursor = tree.cursor(new Uint8Array(0));

  cursor.next();
  expect([cursor.isTombstone, cursor.isLong]).toEqual([true, false]);
  cursor.next();
  expect([cursor.isTombstone, cursor.isLong]).toEqual([false, true]);
});

test("REL-P7 a step goes to the neighbour of the moment, whatever became of the tree", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const random = createRandom(seed);
    const tree = new TestTree(new MemoryPages());
    const model = new Model();
    const cursor = tree.cursor(drawKey(random), random.below(200));
    let place: Row = {
      key: cursor.key.slice(0, cursor.keyBytes),
      version: cursor.version,
      value: undefined,
    };
    let isOn = false;
    for (let step = 1; step <= 400; step++) {
      if (random.chance(0.4)) change(random.below(3), step);
      const isForward = random.chance(0.5);
      const expected = isForward
        ? model.rows.find((row) => compareRows(row, place) > (isOn ? 0 : -1))
        : model.rows.findLast((row) => compareRows(row, place) < 0);
      const found = isForward ? cursor.next() : cursor.previous();
      expect(found ? tree.rowAt(cursor) : undefined).toEqual(expected);
      if (expected === undefined) continue;
      place = expected;
      isOn = true;
    }

    function change(action: number, version: number): void {
      const count = random.below(8);
      for (let at = 0; at < count; at++) {
        if (action === 0 && model.rows.length > 0) {
          const row = pick(random, model.rows);
          tree.remove(row.key, row.version);
          model.remove(row.key, row.version);
        } else {
          const key = drawKey(random);
          const row = { key, version, value: drawValue(random, key.length) };
          tree.insert(key, version, row.value);
          model.insert(row);
        }
      }
    }
  }
});

test.each([
  { frames: 4, reverse: false },
  { frames: 4, reverse: true },
  { frames: 1000, reverse: false },
  { frames: 1000, reverse: true },
])(
  "REL-P7 a scan sees its snapshot while rows come and go ($frames frames, reverse: $reverse)",
  ({ frames, reverse }) => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = createRandom(seed);
      const tree = new TestTree(new MemoryPages({ frames, random: random.split("evict") }));
      const model = new Model();
      let version = 0;
      const write = (horizon: number): void => {
        version++;
        const key = drawKey(random);
        const row = { key, version, value: drawValue(random, key.length) };
        tree.insert(key, version, row.value, horizon);
        model.insert(row);
      };
      for (let at = 0; at < 250; at++) write(-1);
      const snapshot = version;
      const expected = model.visibleAt(snapshot);

      const seen: Row[] = [];
      const cursor = tree.cursor(new Uint8Array(0));
      if (reverse) cursor.placeAtEnd();
      for (;;) {
        const moved = tree.pages.run(
          () => (reverse ? cursor.previous() : cursor.next()) && cursor.version >= 0,
        );
        if (!moved) break;
        seen.push(tree.rowAt(cursor));
        if (random.chance(0.3)) write(snapshot);
        if (random.chance(0.1)) tree.vacuumAt(drawKey(random), snapshot);
        const row = pick(random, model.rows);
        if (random.chance(0.2) && row.version > snapshot) {
          tree.remove(row.key, row.version);
          model.remove(row.key, row.version);
        }
      }

      const rows = (reverse ? seen.toReversed() : seen).filter((row) => row.version <= snapshot);
      const visible = rows.filter(
        (row, at) => at === 0 || Buffer.compare(rows[at - 1]!.key, row.key) !== 0,
      );
      expectSameRows(
        visible.filter((row) => row.value !== undefined),
        expected,
      );
    }
  },
);

test("REL-P7 empty leaves are passed in four frames, however many they are", async () => {
  const pages = new MemoryPages({ frames: 4 });
  const tree = new TestTree(pages);
  for (let at = 0; at < 800; at++) tree.insert(evenKey(at), 1, value(`${at}`));
  const { pages: ids } = await tree.check();
  const emptied = new Set<number>();
  for (const id of ids) {
    pages.damage(id, (view) => {
      const first = pageLevel(view) === 0 ? positionAt(view, 0).key : evenKey(0);
      if (Buffer.compare(first, evenKey(100)) < 0 || Buffer.compare(first, evenKey(700)) > 0)
        return;
      new PageEditor().remove(view, 0, entryCount(view));
      emptied.add(id);
    });
  }
  expect(emptied.size).toBeGreaterThan(10);

  const keys = tree.rows().map((row) => Buffer.from(row.key).toString());
  expect(keys.length).toBeLessThan(300);
  expect(keys).toContain("key_01598");
  const backwards: string[] = [];
  const cursor = tree.cursor(utf8("z"));
  while (pages.run(() => cursor.previous())) {
    backwards.push(Buffer.from(cursor.key.subarray(0, cursor.keyBytes)).toString());
  }
  expect(backwards.toReversed()).toEqual(keys);
  expect(tree.find(evenKey(400), 1)).toBeUndefined();
});

test("a miss in the middle of a step leaves a cursor free to turn round", () => {
  const pages = new MemoryPages({ frames: 4 });
  const tree = new TestTree(pages);
  for (let at = 0; at < 300; at++) tree.insert(evenKey(at), 1, value(`${at}`));
  for (let start = 1; start < 299; start++) {
    const cursor = tree.cursor(evenKey(start));
    expect(pages.run(() => cursor.next())).toBe(true);
    for (const step of [() => cursor.previous(), () => cursor.next()]) {
      try {
        step(); // a miss, or a move: either way the next call counts from where it stands
      } catch {
        expect(cursor.key.slice(0, cursor.keyBytes)).toEqual(evenKey(start));
        continue;
      }
      break;
    }
    const at = Number(Buffer.from(cursor.key.slice(4, 9)).toString()) / 2;
    expect(pages.run(() => cursor.next())).toBe(true);
    expect(cursor.key.slice(0, cursor.keyBytes)).toEqual(evenKey(at + 1));
  }
});
