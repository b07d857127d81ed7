import { KvsError } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { FreeSpace } from "../src/free-space.ts";
import {
  BITMAP_BITS,
  PAGE_BITMAP,
  PAGE_LEAF,
  type PageId,
  PageView,
  type Run,
  bitmapPageOf,
  formatPage,
  setBits,
  toPageId,
} from "../src/index.ts";

class NeedsPages {
  readonly pages: number;

  constructor(pages: number) {
    this.pages = pages;
  }
}

/** Free space over a file that is only a length. */
class Subject {
  pageCount: number;
  readonly space: FreeSpace;
  readonly bitmaps = new Map<PageId, PageView>();

  constructor(pageCount: number) {
    this.pageCount = pageCount;
    this.space = new FreeSpace({
      pageCount: () => this.pageCount,
      needPages: (pages) => {
        throw new NeedsPages(pages);
      },
      lookAt: async (id, look) => look(this.bitmaps.get(id)!),
      corrupt: (id, { expected, found }) =>
        new KvsError("PAGER_CORRUPT_PAGE", `page ${id}: ${expected} ${found}`, { outcome: "none" }),
    });
  }

  /** Takes, lets the file grow by exactly what is asked for, and begins regions. */
  take(count: number): Run<PageId> {
    for (;;) {
      try {
        const run = this.space.take(count);
        if (this.space.needsBitmapPage(run)) {
          this.space.beginRegion(Math.floor(run.first / BITMAP_BITS));
        }
        return run;
      } catch (error) {
        if (!(error instanceof NeedsPages)) throw error;
        expect(error.pages).toBeGreaterThan(0);
        this.pageCount += error.pages;
      }
    }
  }
}

test("a new file grows for its first page, behind headers and bitmap", () => {
  const subject = new Subject(2);

  const run = subject.take(1);

  expect(run).toEqual({ first: 3, count: 1 });
  expect(subject.pageCount).toBe(4);
  expect(subject.space.regionCount).toBe(1);
  expect(subject.space.freePages).toBe(0);
});

test("low pages go first, and runs as long as asked for", () => {
  const subject = new Subject(100);
  expect(subject.take(10)).toEqual({ first: 3, count: 10 });
  expect(subject.take(5)).toEqual({ first: 13, count: 5 });
  subject.space.release({ first: toPageId(4), count: 2 });
  subject.space.release({ first: toPageId(14), count: 3 });

  expect(subject.take(3)).toEqual({ first: 14, count: 3 });
  expect(subject.take(2)).toEqual({ first: 4, count: 2 });
  expect(subject.take(1)).toEqual({ first: 18, count: 1 });
});

test("what is taken and released before it was used is free again", () => {
  const { space } = new Subject(50);
  const free = space.freePages;
  const run = space.take(7);
  expect(space.freePages).toBe(free - 7);
  expect(space.isFree(run.first)).toBe(false);

  space.release(run);

  expect(space.freePages).toBe(free);
  expect(space.isFree(run.first)).toBe(true);
  expect(space.take(7)).toEqual(run);
});

test("REL-P3: a page cannot be released twice, or while it is free", () => {
  const subject = new Subject(50);
  const run = subject.take(4);
  subject.space.release(run);

  expect(() => subject.space.release(run)).toThrow("a page is taken while free");
  expect(() => subject.space.release({ first: toPageId(3 * BITMAP_BITS), count: 1 })).toThrow(
    "a known region",
  );
});

test("regions begin one after the other, each with its bitmap page in place", () => {
  const subject = new Subject(2);
  const runs: Run<PageId>[] = [];
  while (subject.space.regionCount < 3) runs.push(subject.take(5000));

  const bitmaps = [0, 1, 2].map((region) => bitmapPageOf(toPageId(region * BITMAP_BITS)));
  for (const { first, count } of runs) {
    for (const id of bitmaps) expect(id < first || id >= first + count).toBe(true);
    expect(bitmapPageOf(first)).toBe(bitmapPageOf(toPageId(first + count - 1)));
    expect(first + count).toBeLessThanOrEqual(subject.pageCount);
  }
  expect(bitmaps.at(-1)).toBeLessThan(subject.pageCount);
  expect(() => subject.space.beginRegion(7)).toThrow("regions begin in their order");
});

test("two pages before a bitmap page are given out like others, when there is the bitmap page", () => {
  const subject = new Subject(BITMAP_BITS);
  subject.take(BITMAP_BITS - 3);

  expect(subject.take(1)).toEqual({ first: BITMAP_BITS, count: 1 });
  expect(subject.pageCount).toBe(BITMAP_BITS + 3);
  expect(subject.take(2)).toEqual({ first: BITMAP_BITS + 3, count: 2 });
});

test("a short piece will do when much is free, when it is long enough, or when the disk is full", () => {
  const almostEmpty = new Subject(10);
  expect(almostEmpty.take(20)).toEqual({ first: 3, count: 7 }); // more than a quarter is free

  const full = new Subject(100);
  full.take(97);
  full.space.release({ first: toPageId(50), count: 2 });
  expect(() => full.space.take(20)).toThrow(NeedsPages);
  full.space.noteGrowth(false);
  expect(full.space.take(20)).toEqual({ first: 50, count: 2 });
  expect(() => full.space.take(20)).toThrow(NeedsPages);
  full.space.noteGrowth(true);
  full.space.release({ first: toPageId(20), count: 8 });
  expect(full.space.take(20)).toEqual({ first: 20, count: 8 });
});

test("a file that ends within a run grows by the rest of it", () => {
  const subject = new Subject(200);
  subject.take(195);
  try {
    subject.space.take(5);
    expect.unreachable();
  } catch (error) {
    expect(error).toEqual(new NeedsPages(3));
  }
});

test("page numbers end at 2^32", async () => {
  const regions = Math.ceil(2 ** 32 / BITMAP_BITS);
  const subject = new Subject(2 ** 32);
  const full = PageView.of(new Uint8Array(4096).fill(0xff));
  full.u8[4] = PAGE_BITMAP;
  const last = PageView.of(new Uint8Array(4096));
  formatPage(last, bitmapPageOf(toPageId(2 ** 32 - 1)), PAGE_BITMAP);
  setBits(last, { first: 2, count: 1 }, true);
  subject.bitmaps.get = (id) => (id > 2 ** 32 - BITMAP_BITS ? last : full);
  await subject.space.load(regions);

  const left = 2 ** 32 - (regions - 1) * BITMAP_BITS - 1;
  expect(subject.space.freePages).toBe(left);
  const runs = [subject.space.take(left), subject.space.take(left)];
  expect(runs.map(({ count }) => count)).toEqual([left - 2, 2]);
  expect(runs[0]!.first + runs[0]!.count).toBe(2 ** 32);
  expect(() => subject.space.take(1)).toThrow(NeedsPages); // which the file refuses
  expect(subject.space.freePages).toBe(0);
});

test("what bitmap pages say is what is free; a page of another type is corrupt", async () => {
  const subject = new Subject(BITMAP_BITS + 100);
  const [one, two] = [new Uint8Array(4096), new Uint8Array(4096)].map((page) => PageView.of(page));
  formatPage(one!, toPageId(2), PAGE_BITMAP);
  formatPage(two!, toPageId(2 + BITMAP_BITS), PAGE_BITMAP);
  setBits(one!, { first: 0, count: 1000 }, true);
  setBits(one!, { first: 500, count: 3 }, false);
  setBits(two!, { first: 2, count: 30 }, true);
  subject.bitmaps.set(toPageId(2), one!);
  subject.bitmaps.set(toPageId(2 + BITMAP_BITS), two!);

  await subject.space.load(2);

  expect(subject.space.regionCount).toBe(2);
  expect(subject.space.freePages).toBe(BITMAP_BITS + 100 - 997 - 30);
  expect(subject.space.take(1)).toEqual({ first: 500, count: 1 });
  expect(subject.space.isFree(toPageId(999))).toBe(false);
  expect(subject.space.isFree(toPageId(1000))).toBe(true);
  expect(subject.space.isFree(toPageId(2 ** 31))).toBe(true);

  const bad = new Subject(100);
  const leaf = PageView.of(new Uint8Array(4096));
  formatPage(leaf, toPageId(2), PAGE_LEAF);
  bad.bitmaps.set(toPageId(2), leaf);
  await expect(bad.space.load(1)).rejects.toThrow("PAGER_CORRUPT_PAGE");

  const unmarked = PageView.of(new Uint8Array(4096));
  formatPage(unmarked, toPageId(2), PAGE_BITMAP);
  bad.bitmaps.set(toPageId(2), unmarked);
  await expect(bad.space.load(1)).rejects.toThrow("PAGER_CORRUPT_PAGE");
});

test("REL-P3: used and free pages are an exact partition, whatever is taken and released", () => {
  forEachSeed({ seeds: 30, size: 200 }, ({ random, size }) => {
    const subject = new Subject(2 + random.below(200));
    const used = new Set<number>([0, 1]);
    const runs: Run<PageId>[] = [];
    const most = random.chance(0.2) ? 20_000 : 30;
    for (let step = 0; step < size; step++) {
      if (random.chance(0.6)) {
        const wanted = 1 + random.below(most);
        const run = subject.take(wanted);
        expect(run.count).toBeLessThanOrEqual(wanted);
        expect(run.first + run.count).toBeLessThanOrEqual(subject.pageCount);
        for (let id: number = run.first; id < run.first + run.count; id++) {
          if (used.has(id)) throw new Error(`page ${id} was given out twice`);
          used.add(id);
        }
        used.add(bitmapPageOf(run.first));
        runs.push(run);
      } else if (runs.length > 0) {
        const [run] = runs.splice(random.below(runs.length), 1);
        for (let id: number = run!.first; id < run!.first + run!.count; id++) used.delete(id);
        subject.space.release(run!);
      }
      expect(subject.space.freePages).toBe(subject.pageCount - used.size);
    }
  });
});

test("of a region that is yet to begin every page is free, its bitmap page too", () => {
  const subject = new Subject(BITMAP_BITS + 100);
  const bitmap = toPageId(BITMAP_BITS + 2);
  subject.take(1); // begins the first
  expect(subject.space.isFree(toPageId(2))).toBe(false);
  expect(subject.space.isFree(bitmap)).toBe(true);
  subject.take(BITMAP_BITS - 4);
  expect(subject.space.regionCount).toBe(1);
  subject.take(1);
  expect(subject.space.regionCount).toBe(2);
  expect(subject.space.isFree(bitmap)).toBe(false);
});
