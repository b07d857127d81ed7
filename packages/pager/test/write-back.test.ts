import { KvsError, createRandom } from "@kvs/env";
import { forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";
import { PAGE_LEAF, PageView, formatPage, pageLsn, toPageId, toPageLsn } from "../src/index.ts";
import { findPageFault } from "../src/page-seal.ts";
import {
  CountingLog,
  FILE_ID,
  PATH,
  type World,
  changePage,
  fillBody,
  makeWorld,
  openPager,
  readBody,
  readPage,
  writePage,
} from "./fixture.ts";

const view = new PageView();

/** Looks at every page on the disk whenever a write is made. */
function watchWalRule(world: World, log: CountingLog): { broken: number; writes: number } {
  const seen = { broken: 0, writes: 0 };
  world.onCall = (call) => {
    if (call.operation !== "writeAt" || call.path !== PATH) return undefined;
    seen.writes++;
    const bytes = world.storage.clone().readFile(PATH);
    for (let from = 2 * 4096; from < bytes.length; from += 4096) {
      const page = PageView.of(bytes.slice(from, from + 4096));
      if (pageLsn(page) > log.durableLsn) seen.broken++;
    }
    return undefined;
  };
  return seen;
}

async function changeManyPages(world: World, log: CountingLog, seed: number): Promise<void> {
  const random = createRandom(seed);
  const pager = await openPager(world, { frames: 4 + random.below(4), gate: log });
  await pager.grow(30);
  for (let step = 0; step < 80; step++) {
    const id = toPageId(2 + random.below(30));
    await writePage(pager, id, step, log.append());
  }
  await pager.flushBefore(toPageLsn(log.endLsn));
  await pager.close();
}

// REL-P12, REL-W15
test("REL-P12, REL-W15: no page is on the disk before its log is durable", async () => {
  await forEachSeedAsync({ seeds: 15 }, async ({ seed }) => {
    const world = makeWorld({ seed });
    const log = new CountingLog();
    const seen = watchWalRule(world, log);

    await changeManyPages(world, log, seed);

    expect(seen.writes).toBeGreaterThan(20);
    expect(seen.broken).toBe(0);
  });
});

test("the sabotage pager.skip-wal-rule is caught", async () => {
  const world = makeWorld({ mutants: ["pager.skip-wal-rule"] });
  const log = new CountingLog();
  const seen = watchWalRule(world, log);

  await changeManyPages(world, log, 1);

  expect(seen.broken).toBeGreaterThan(0);
});

/** Changes a page while it is being written; answers what is on the disk then. */
async function changeWhileWritten(world: World): Promise<Uint8Array> {
  const pager = await openPager(world);
  await pager.grow(10);
  await writePage(pager, toPageId(3), 111, toPageLsn(1));
  const flush = pager.flushBefore(toPageLsn(1));
  await changePage(pager, toPageId(3), 222, toPageLsn(2)); // resident: changed in this very turn
  await flush;
  expect(pager.stats().dirtyFrames).toBe(1);
  const bytes = world.storage.readFile(PATH).slice(3 * 4096, 4 * 4096);
  await pager.flushBefore(toPageLsn(2));
  expect(pager.stats().dirtyFrames).toBe(0);
  await pager.close();
  const again = await openPager(world);
  expect(await readPage(again, toPageId(3))).toBe(222);
  await again.close();
  return bytes;
}

// REL-P12
test("REL-P12: a page that changes while it is written reaches the disk as it was, and stays dirty", async () => {
  const bytes = await changeWhileWritten(makeWorld());

  expect(findPageFault(bytes, { id: toPageId(3), fileId: FILE_ID })).toBeUndefined();
  expect(readBody(PageView.of(bytes))).toBe(111);
  expect(pageLsn(PageView.of(bytes))).toBe(1);
});

test("the sabotage pager.write-live-frame is caught", async () => {
  const bytes = await changeWhileWritten(makeWorld({ mutants: ["pager.write-live-frame"] }));

  expect(findPageFault(bytes, { id: toPageId(3), fileId: FILE_ID })?.reason).toBe("checksum");
});

test("neighbouring dirty pages go in one write, in order of the file", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { frames: 100 });
  await pager.grow(60);
  for (const id of [9, 3, 5, 4, 20, 21, 40]) await writePage(pager, toPageId(id), id);

  await pager.flushBefore(toPageLsn(1));

  expect(pager.stats()).toMatchObject({ writes: 4, pagesWritten: 7, dirtyFrames: 0 });
  await pager.close();
});

test("with pager.write-single-pages each page is written for itself", async () => {
  const pager = await openPager(makeWorld({ buggify: ["pager.write-single-pages"] }));
  await pager.grow(10);
  for (const id of [3, 4, 5]) await writePage(pager, toPageId(id), id);
  await pager.flushBefore(toPageLsn(1));

  expect(pager.stats()).toMatchObject({ writes: 3, pagesWritten: 3 });
  await pager.close();
});

test("a checkpoint writes what was first changed up to its LSN, and leaves later pages", async () => {
  const pager = await openPager(makeWorld(), { frames: 16 });
  await pager.grow(30);
  for (const [id, lsn] of [
    [4, 10],
    [9, 20],
    [14, 30],
  ] as const) {
    await writePage(pager, toPageId(id), id, toPageLsn(lsn));
  }
  await changePage(pager, toPageId(4), 44, toPageLsn(40)); // first changed at 10 all the same

  await pager.flushBefore(toPageLsn(20), { sliceFrames: 1 });

  expect(pager.stats()).toMatchObject({ pagesWritten: 2, dirtyFrames: 1 });
  await pager.flushBefore(toPageLsn(29));
  expect(pager.stats().dirtyFrames).toBe(1);
  await pager.close();
});

test("LSNs near 2^31, 2^32 and 2^53 are ordered as numbers", async () => {
  for (const near of [2 ** 31, 2 ** 32, 2 ** 53 - 100]) {
    const world = makeWorld();
    const log = new CountingLog(() => Promise.resolve(), near - 20);
    const seen = watchWalRule(world, log);
    const pager = await openPager(world, { gate: log });
    await pager.grow(10);
    const lsns = [3, 4, 5, 6].map(() => log.append());
    for (const [at, lsn] of lsns.entries()) await writePage(pager, toPageId(3 + at), at, lsn);
    await pager.flushBefore(lsns[1]!);
    await pager.flushBefore(lsns[3]!);
    expect(seen.broken).toBe(0);
    await pager.close();

    const again = await openPager(world, { gate: log });
    for (const [at, lsn] of lsns.entries()) {
      const read = await again.attempt(() => again.pageLsnOf(again.fetch(toPageId(3 + at), view)));
      expect(read).toBe(lsn);
    }
    await again.close();
  }
});

test("the background keeps half of the frames clean without being asked", async () => {
  const pager = await openPager(makeWorld(), { frames: 40 });
  await pager.grow(50);
  for (let id = 2; id < 42; id++) await writePage(pager, toPageId(id), id);

  while (pager.stats().dirtyFrames > 20) await new Promise(setImmediate);

  expect(pager.stats().dirtyFrames).toBeLessThanOrEqual(20);
  await pager.close();
});

test("writers wait when three quarters of the frames are dirty", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { frames: 8 });
  await pager.grow(20);
  pager.requireFrames(8);
  for (let id = 2; id < 9; id++) {
    const frame = pager.create(toPageId(id), view);
    formatPage(view, toPageId(id), PAGE_LEAF);
    fillBody(view, id);
    pager.dirtied(frame, toPageLsn(1));
  }

  expect(() => pager.requireFrames(0)).toThrow(expect.objectContaining({ frames: 0, pages: 0 }));
  await pager.attempt(() => pager.requireFrames(0));
  expect(pager.stats().dirtyFrames).toBeLessThanOrEqual(6);
  await pager.close();
});

test("a page dropped while it is written: its number is written again only after that", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(10);
  await writePage(pager, toPageId(5), 1, toPageLsn(1));
  const underWay = new Set<number>();
  let mostAtOnce = 0;
  const flush = pager.flushBefore(toPageLsn(1));
  world.onCall = (call) => {
    if (call.operation === "writeAt") mostAtOnce = Math.max(mostAtOnce, underWay.add(1).size);
    return undefined;
  };
  pager.drop(toPageId(5));
  expect(world.probes).toContain("pager.dropped-while-written");
  pager.requireFrames(1);
  const frame = pager.create(toPageId(5), view);
  formatPage(view, toPageId(5), PAGE_LEAF);
  fillBody(view, 2);
  pager.dirtied(frame, toPageLsn(2));
  const second = pager.flushBefore(toPageLsn(2));
  expect(mostAtOnce).toBe(0); // it waits for the first
  await Promise.all([flush, second]);

  expect(mostAtOnce).toBe(1);
  expect(readBody(PageView.of(world.storage.readFile(PATH).slice(5 * 4096, 6 * 4096)))).toBe(2);
  await pager.close();
});

test("a dropped page is not written, and reading it while its write is under way is orderly", async () => {
  const pager = await openPager(makeWorld());
  await pager.grow(10);
  await writePage(pager, toPageId(5), 55, toPageLsn(1));
  await writePage(pager, toPageId(8), 88, toPageLsn(1));
  pager.drop(toPageId(8));
  pager.drop(toPageId(9)); // never there
  const flush = pager.flushBefore(toPageLsn(1));
  pager.drop(toPageId(5));

  expect(
    pager.attemptSync(() => {
      pager.fetch(toPageId(5), view);
      return readBody(view);
    }),
  ).toBe(55);
  pager.drop(toPageId(5));
  expect(await readPage(pager, toPageId(5))).toBe(55);
  await flush;
  expect(pager.stats()).toMatchObject({ pagesWritten: 1, dirtyFrames: 0 });
  await expect(readPage(pager, toPageId(8))).rejects.toThrow("PAGER_CORRUPT_PAGE"); // zeros
  await pager.close();
});

test("REL-W11: a full disk is an error to those who wait, and passes", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(20);
  let isFull = true;
  world.onCall = (call) =>
    isFull && call.operation === "writeAt" ? { type: "error", code: "DISK_FULL" } : undefined;
  for (let id = 3; id < 6; id++) await writePage(pager, toPageId(id), id);

  await expect(pager.flushBefore(toPageLsn(1))).rejects.toMatchObject({
    code: "DISK_FULL",
    retryable: true,
  });
  await expect(pager.attempt(() => pager.requireFrames(3))).rejects.toMatchObject({
    code: "DISK_FULL",
  });
  expect(pager.error).toBeUndefined();
  expect(await readPage(pager, toPageId(4))).toBe(4);

  isFull = false;
  await pager.flushBefore(toPageLsn(1));
  await pager.attempt(() => pager.requireFrames(3));
  expect(await readPage(pager, toPageId(3))).toBe(3);
  await pager.close();
});

test("a log that is full for a moment leaves pages dirty, too", async () => {
  let isFull = true;
  const log = new CountingLog(async () => {
    if (!isFull) return;
    throw new KvsError("WAL_DISK_FULL", "no space", { outcome: "unknown", retryable: true });
  });
  const pager = await openPager(makeWorld(), { gate: log });
  await pager.grow(5);
  await writePage(pager, toPageId(3), 3, log.append());

  await expect(pager.flushBefore(toPageLsn(log.endLsn))).rejects.toThrow("WAL_DISK_FULL");
  isFull = false;
  await pager.flushBefore(toPageLsn(log.endLsn));
  expect(pager.stats().dirtyFrames).toBe(0);
  await pager.close();
});

test("REL-W10: any other failed write is final, and what is in memory stays readable", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { frames: 8 });
  await pager.grow(20);
  for (let id = 3; id < 7; id++) await writePage(pager, toPageId(id), id);
  world.onCall = (call) =>
    call.operation === "writeAt" ? { type: "error", code: "DISK_IO" } : undefined;

  await expect(pager.flushBefore(toPageLsn(1))).rejects.toMatchObject({
    code: "PAGER_WRITE_FAILED",
    outcome: "unknown",
    details: { path: PATH, reported: "DISK_IO" },
  });
  world.onCall = undefined;
  const { writes } = pager.stats();
  await expect(pager.flushBefore(toPageLsn(1))).rejects.toThrow("PAGER_WRITE_FAILED");
  await expect(pager.datasync()).rejects.toThrow("PAGER_WRITE_FAILED");
  await expect(pager.grow(1)).rejects.toThrow("PAGER_WRITE_FAILED");
  await expect(pager.writeHeader(pager.header)).rejects.toThrow("PAGER_WRITE_FAILED");
  expect(() => pager.requireFrames(1)).toThrow("PAGER_WRITE_FAILED");
  expect(await readPage(pager, toPageId(5))).toBe(5);
  expect(pager.stats().writes).toBe(writes);
  await pager.close();
});

test("poison from outside stops writing at once, also what waits for the log", async () => {
  const world = makeWorld();
  let releaseLog = (): void => undefined;
  const log = new CountingLog(() => new Promise((resolve) => void (releaseLog = resolve)));
  const pager = await openPager(world, { gate: log });
  await pager.grow(10);
  await writePage(pager, toPageId(3), 3, log.append());
  const flush = pager.flushBefore(toPageLsn(log.endLsn));
  const waiting = pager.attempt(() => pager.requireFrames(4));
  const poison = new KvsError("TXN_POISONED", "half-changed pages", { outcome: "unknown" });

  pager.poison(poison);
  pager.poison(new KvsError("LATER", "too late", { outcome: "none" }));
  releaseLog();

  await expect(flush).rejects.toBe(poison);
  await expect(waiting).rejects.toBe(poison);
  expect(pager.error).toBe(poison);
  await pager.close();
  expect(world.storage.readFile(PATH).slice(3 * 4096, 4 * 4096)).toEqual(new Uint8Array(4096));
});
