import { expect, test } from "vitest";
import { type Random, createRandom } from "@kvs/env";
import { BulkLoad } from "../src/bulk-load.ts";
import { LEAF_CELL_BYTES_MAX, TREE_KEY_BYTES_MAX } from "../src/tree-page.ts";
import { MemoryPages, type MemoryPagesOptions } from "./memory-pages.ts";
import { Model, type Row, TestTree, compareRows } from "./test-tree.ts";

const VERSION = 2 ** 40 + 7;

/** Loads rows into an empty tree, every step run to its end. */
function load(rows: readonly Row[], options: MemoryPagesOptions = {}): TestTree {
  const pages = new MemoryPages(options);
  const tree = new TestTree(pages);
  const bulk = new BulkLoad(tree.state, pages, VERSION);
  const stepAll = (): void => {
    while (pages.run(() => bulk.step()));
  };
  for (const { key, value } of rows) {
    const bytes = value!;
    if (bulk.add(key, key.length, { flags: 0, bytes, from: 0, to: bytes.length })) stepAll();
  }
  bulk.close();
  stepAll();
  pages.run(() => bulk.writeRoot());
  return tree;
}

type DrawBytes = (random: Random) => Uint8Array;

function drawRows(random: Random, count: number, drawKey: DrawBytes, drawValue: DrawBytes): Row[] {
  const rows = new Map<string, Row>();
  for (let row = 0; row < count; row++) {
    const key = drawKey(random);
    rows.set(key.join(), { key, version: VERSION, value: drawValue(random) });
  }
  return [...rows.values()].toSorted(compareRows);
}

const bytesOf = (length: number, random: Random): Uint8Array => random.fill(new Uint8Array(length));

const SHAPES: readonly [name: string, DrawBytes, DrawBytes][] = [
  ["even keys", (r) => bytesOf(16, r), (r) => bytesOf(100, r)],
  ["empty values", (r) => bytesOf(3, r), () => new Uint8Array(0)],
  ["keys of all lengths", (r) => bytesOf(r.below(40), r), (r) => bytesOf(r.below(300), r)],
  [
    "long common prefixes",
    (r) => Uint8Array.from([...new Uint8Array(200 + r.below(3)).fill(7), r.below(9), r.below(256)]),
    (r) => bytesOf(r.below(60), r),
  ],
  [
    "the longest keys and cells",
    (r) => bytesOf(r.chance(0.5) ? TREE_KEY_BYTES_MAX : 1 + r.below(20), r),
    (r) => bytesOf(r.below(LEAF_CELL_BYTES_MAX - TREE_KEY_BYTES_MAX - 10), r),
  ],
  [
    "prefixes that end in the middle of a page",
    (r) => Uint8Array.from([r.below(3), ...new Uint8Array(30).fill(r.below(3)), r.below(256)]),
    (r) => bytesOf(r.below(30), r),
  ],
];

for (const [name, drawKey, drawValue] of SHAPES) {
  test(`a loaded tree is sound and has all rows: ${name}`, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = createRandom(seed);
      const count = [0, 1, 2, 3, 40, 300, 3000][seed % 7]!;
      const rows = drawRows(random, count, drawKey, drawValue);
      const frames = seed % 3 === 0 ? { frames: 4, random: random.split("evict") } : {};
      const tree = load(rows, { ...frames, isFragmented: seed % 5 === 0 });
      await tree.check();
      expect(tree.rows()).toEqual(rows);
    }
  });
}

test("pages are full but for two rows: random keys of 16 bytes with values of 100", async () => {
  const draw = (length: number) => (random: Random) => bytesOf(length, random);
  const rows = drawRows(createRandom(1), 20_000, draw(16), draw(100));
  const { leaves, leafBytes, levels } = await load(rows).check();
  expect(levels).toBe(3);
  expect(leafBytes / (leaves * 4008)).toBeGreaterThan(0.9);
  expect(leafBytes / (leaves * 4008)).toBeLessThan(0.94);
});

test("a root that is just full is written, also if a page is missing at that moment", async () => {
  const value = new Uint8Array(900);
  for (let count = 1060; count < 1280; count += 5) {
    const rows = Array.from({ length: count }, (_, at): Row => {
      const key = new Uint8Array(8);
      new DataView(key.buffer).setUint32(0, at * 3_000_000);
      new DataView(key.buffer).setUint32(4, at);
      return { key, version: VERSION, value };
    });
    const tree = load(rows, { frames: 4, random: createRandom(count), hasTwins: false });
    expect((await tree.check()).rows).toBe(count);
  }
});

test("a loaded tree goes on as any other", async () => {
  const random = createRandom(4);
  const [, drawKey, drawValue] = SHAPES[2]!;
  const rows = drawRows(random, 2000, drawKey, drawValue);
  const tree = load(rows);
  const model = new Model();
  for (const row of rows) model.insert(row);
  for (let change = 0; change < 1000; change++) {
    const { key } = rows[change]!;
    const version = VERSION + 1 + change;
    const row = {
      key: change % 2 === 0 ? key : drawKey(random),
      version,
      value: drawValue(random),
    };
    model.insert(row);
    tree.insert(row.key, version, row.value);
    if (change % 3 !== 0) continue;
    model.remove(key, VERSION);
    tree.remove(key, VERSION);
  }
  await tree.check();
  expect(tree.rows()).toEqual(model.rows);
});
