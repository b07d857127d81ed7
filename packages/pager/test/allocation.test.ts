import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import {
  BITMAP_BITS,
  PAGE_BITMAP,
  type PageId,
  PageView,
  type Pager,
  type Run,
  bitOf,
  bitmapPageOf,
  formatPage,
  setBits,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import { CountingLog, makeWorld, openPager } from "./fixture.ts";

const view = new PageView();

/** Takes a run as a writer of trees does, with its bits and, for a new region, its bitmap page. */
async function allocate(pager: Pager, count: number, log: CountingLog): Promise<PageId[]> {
  return pager.attempt(() => {
    const run = pager.space.take(count);
    const bitmapId = bitmapPageOf(run.first);
    try {
      const isNew = pager.space.needsBitmapPage(run);
      if (!isNew) pager.fetch(bitmapId, view);
      pager.requireFrames(isNew ? 1 : 0);
    } catch (error) {
      pager.space.release(run);
      throw error;
    }
    const lsn = log.append();
    if (pager.space.needsBitmapPage(run)) {
      const bitmap = pager.create(bitmapId, view);
      formatPage(view, bitmapId, PAGE_BITMAP);
      setBits(view, { first: 2, count: 1 }, true);
      if (bitmapId === 2) setBits(view, { first: 0, count: 2 }, true);
      pager.space.beginRegion(Math.floor(run.first / BITMAP_BITS));
      pager.dirtied(bitmap, lsn);
    }
    const frame = pager.fetch(bitmapId, view);
    setBits(view, { first: bitOf(run.first), count: run.count }, true);
    pager.dirtied(frame, lsn);
    return Array.from({ length: run.count }, (_, at) => toPageId(run.first + at));
  });
}

// REL-P3
test("REL-P3: what was allocated is used after a restart, and everything else is free", async () => {
  const world = makeWorld();
  const log = new CountingLog();
  const pager = await openPager(world, { gate: log });
  const used = new Set<PageId>();
  for (let step = 0; pager.space.regionCount < 2 || step % 4 !== 3; step++) {
    for (const id of await allocate(pager, [1, 5, 3000, 2][step % 4]!, log)) {
      expect(used.has(id)).toBe(false);
      used.add(id);
    }
  }
  expect(pager.space.regionCount).toBe(2);
  await pager.flushBefore(toPageLsn(log.endLsn));
  const { pageCount } = pager;
  const { freePages } = pager.space;
  await pager.close();

  const again = await openPager(world, { gate: log });
  await again.space.load(2);
  expect(again.space.freePages).toBe(freePages);
  expect(again.space.freePages).toBe(pageCount - used.size - 4);
  for (const id of used) if (again.space.isFree(id)) throw new Error(`page ${id} is free`);
  const next = await allocate(again, 1, log);
  expect(used.has(next[0]!)).toBe(false);
  await again.close();
});

test("free space can be loaded again after an error of the disk", async () => {
  const world = makeWorld();
  const log = new CountingLog();
  const pager = await openPager(world, { gate: log });
  await allocate(pager, 10, log);
  await pager.flushBefore(toPageLsn(log.endLsn));
  await pager.close();
  const again = await openPager(world, { gate: log });
  let failures = 1;
  world.onCall = ({ operation }) =>
    operation === "readAt" && failures-- > 0 ? { type: "error", code: "DISK_IO" } : undefined;

  await expect(again.space.load(1)).rejects.toThrow("DISK_IO");
  await again.space.load(1);
  expect(again.space.freePages).toBe(again.pageCount - 13);
});

test("a full disk is met with the pieces that are left in the file", async () => {
  const world = makeWorld();
  const log = new CountingLog();
  const pager = await openPager(world, { gate: log });
  const ids = await allocate(pager, 40, log);
  while (pager.space.freePages > 0) await allocate(pager, 1, log);
  pager.space.release({ first: ids[10]!, count: 3 });
  world.onCall = ({ operation }) =>
    operation === "allocate" ? { type: "error", code: "DISK_FULL" } : undefined;

  await expect(allocate(pager, 20, log)).rejects.toThrow("DISK_FULL");
  expect(await allocate(pager, 20, log)).toEqual(ids.slice(10, 13));
  await expect(allocate(pager, 20, log)).rejects.toThrow("DISK_FULL");
});

/** Takes and releases at random; returns how often a page was given out that somebody had. */
async function countDoubleOwners(mutants: readonly string[]): Promise<number> {
  const pager = await openPager(makeWorld({ mutants }));
  await pager.grow(3000);
  const random = createRandom(3);
  const owned = new Set<number>();
  let count = 0;
  for (let step = 0; step < 300; step++) {
    const run = pager.space.take(1 + random.below(9));
    for (let page = run.first; page < run.first + run.count; page++) {
      if (owned.has(page) || page < 3) count++;
      owned.add(page);
    }
    if (mutants.length > 0 || random.chance(0.5)) continue;
    pager.space.release(run);
    for (let page = run.first; page < run.first + run.count; page++) owned.delete(page);
  }
  expect(pager.space.freePages + owned.size + 2).toBe(pager.pageCount); // nothing leaked
  await pager.close();
  return count;
}

// REL-P3
test("REL-P3: no page is given out twice, none leaks", async () => {
  expect(await countDoubleOwners([])).toBe(0);
});

test("the sabotage pager.double-allocate is caught", async () => {
  const pager = await openPager(makeWorld({ mutants: ["pager.double-allocate"] }));
  await pager.grow(100);

  expect(pager.space.take(1)).toEqual(pager.space.take(1)); // as the test above forbids
});

/** Where 4,000 pages lie after long use by small and large values: runs a value, free runs a page. */
async function fragment(seed: number): Promise<{ pieces: number; freeShare: number }> {
  const pager = await openPager(makeWorld());
  await pager.grow(5000);
  const random = createRandom(seed);
  const values: Run<PageId>[][] = [];
  let held = 0;
  const put = async (pages: number): Promise<void> => {
    const runs: Run<PageId>[] = [];
    for (let missing = pages; missing > 0;) {
      const run = await pager.attempt(() => pager.space.take(missing));
      runs.push(run);
      missing -= run.count;
      held += run.count;
    }
    values.push(runs);
  };
  let pieces = 0;
  let large = 0;
  for (let step = 0; step < 6000; step++) {
    if (held > 4000) {
      const [runs] = values.splice(random.below(values.length), 1);
      for (const run of runs!) {
        pager.space.release(run);
        held -= run.count;
      }
      continue;
    }
    const isLarge = random.chance(0.1);
    await put(isLarge ? 20 + random.below(100) : 1);
    if (!isLarge || step < 3000) continue;
    large++;
    pieces += values.at(-1)!.length;
  }
  const { pageCount } = pager;
  const { freePages } = pager.space;
  await pager.close();
  return { pieces: pieces / large, freeShare: freePages / pageCount };
}

test("fragmentation stays bounded: a value of a hundred pages lies in few pieces, and little is free", async () => {
  for (let seed = 1; seed <= 3; seed++) {
    const { pieces, freeShare } = await fragment(seed);
    expect(pieces).toBeLessThan(4);
    expect(freeShare).toBeLessThan(0.3);
  }
});
