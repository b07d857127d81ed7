import { expect, test } from "vitest";
import {
  BITMAP_BITS,
  PAGE_BITMAP,
  type PageId,
  PageView,
  type Pager,
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
