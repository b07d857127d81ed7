import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { toPageId } from "../src/index.ts";
import { ABSENT, PageTable } from "../src/page-table.ts";

test("a page is where it was put, for page numbers of every size", () => {
  const table = new PageTable();
  const ids = [2, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1].map(toPageId);

  for (const [frame, id] of ids.entries()) table.add(id, frame);

  expect(ids.map((id) => table.get(id))).toEqual(ids.map((_, frame) => frame));
  expect(table.get(toPageId(3))).toBe(ABSENT);
  expect(table.get(toPageId(2 ** 32 - 2))).toBe(ABSENT);
  expect(table.sizeBytes).toBeLessThan(2 ** 27); // the largest id costs a directory of 64 MiB
});

test("a look-up beyond everything that was there finds nothing", () => {
  expect(new PageTable().get(toPageId(2 ** 32 - 1))).toBe(ABSENT);
});

test("the table holds what a map holds", () => {
  forEachSeed({ seeds: 15, size: 1000 }, ({ random, size }) => {
    const table = new PageTable();
    const model = new Map<number, number>();
    const range = 2 ** (4 + random.below(20));
    for (let step = 0; step < size; step++) {
      const id = toPageId(random.below(range));
      const known = model.get(id);
      expect(table.get(id)).toBe(known ?? ABSENT);
      if (known === undefined) {
        table.add(id, step);
        model.set(id, step);
      } else {
        table.remove(id);
        model.delete(id);
      }
    }
  });
});

test("pages that come and go over a wide range take no more memory than those that are there", () => {
  const table = new PageTable();
  table.add(toPageId(1_000_000), 0);
  const sizeBytes = table.sizeBytes;

  for (let id = 0; id < 1_000_000; id += 100) {
    table.add(toPageId(id), 1);
    table.remove(toPageId(id));
  }

  expect(table.sizeBytes).toBe(sizeBytes);
});

test("a page cannot be in two frames, nor leave twice", () => {
  const table = new PageTable();
  table.add(toPageId(7), 1);

  expect(() => table.add(toPageId(7), 2)).toThrow("a page is in one frame");
  table.remove(toPageId(7));
  expect(() => table.remove(toPageId(7))).toThrow("only a page that is there is removed");
});

test("marked pages are found in order of their numbers, and no others", () => {
  forEachSeed({ seeds: 20, size: 500 }, ({ random, size }) => {
    const table = new PageTable();
    const range = 2 ** (8 + random.below(24));
    const ids: number[] = [];
    const marked = new Set<number>();
    for (let frame = 0; frame < size; frame++) {
      const id = random.below(range);
      if (table.get(toPageId(id)) !== ABSENT) continue;
      table.add(toPageId(id), ids.length);
      ids.push(id);
      if (!random.chance(0.2)) continue;
      table.mark(toPageId(id), true);
      marked.add(id);
    }
    for (const id of marked) {
      if (random.chance(0.7)) continue;
      table.mark(toPageId(id), false);
      marked.delete(id);
      if (random.chance(0.5)) table.remove(toPageId(id));
    }
    const found: number[] = [];
    for (let from = 0; ;) {
      const frame = table.findMarked(from, (candidate) => marked.has(ids[candidate]!));
      if (frame === ABSENT) break;
      found.push(ids[frame]!);
      from = ids[frame]! + 1;
    }
    expect(found).toEqual([...marked].toSorted((one, other) => one - other));
  });
});

test("a search behind the last page number finds nothing", () => {
  const table = new PageTable();
  table.add(toPageId(2 ** 32 - 1), 4);
  table.mark(toPageId(2 ** 32 - 1), true);

  expect(table.findMarked(2 ** 32 - 1, () => true)).toBe(4);
  expect(table.findMarked(2 ** 32, () => true)).toBe(ABSENT);
  expect(() => table.mark(toPageId(5), true)).toThrow("only a page that is there is marked");
});
