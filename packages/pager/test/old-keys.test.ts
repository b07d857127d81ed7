import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import {
  PAGE_BITMAP,
  type PageId,
  PageView,
  type Pager,
  formatPage,
  setBits,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import {
  HEADER,
  PATH,
  TestKeys,
  type World,
  changePage,
  makeWorld,
  openExisting,
  openPager,
  readPage,
  writePage,
} from "./fixture.ts";

import { type CrashImage, LoggedPages, recoverAndCheck } from "./logged-pages.ts";

const view = new PageView();
const PAGES = 100;

/** A file of `PAGES` pages in use, sealed with key 1 if there are keys; page 50 and later are free. */
async function makeFile(world: World, keys?: TestKeys): Promise<void> {
  const pager = await openPager(world, { frames: 16, ...(keys === undefined ? {} : { keys }) });
  await pager.grow(PAGES + 50);
  for (let id = 3; id < PAGES; id++) await writePage(pager, toPageId(id), id);
  await pager.attempt(() => {
    pager.requireFrames(1);
    const frame = pager.create(toPageId(2), view);
    formatPage(view, toPageId(2), PAGE_BITMAP);
    setBits(view, { first: 0, count: PAGES }, true);
    pager.dirtied(frame, toPageLsn(1));
  });
  await pager.flushBefore(toPageLsn(1));
  await pager.datasync();
  await pager.writeHeader({ ...HEADER, regionCount: 1 });
  await pager.close();
}

async function findAll(
  pager: Pager,
  countMax: number,
): Promise<{ pages: PageId[]; pending: number; damaged: number }> {
  const found = { pages: [] as PageId[], pending: 0, damaged: 0 };
  for (let from: PageId | undefined = toPageId(0); from !== undefined;) {
    const step = await pager.pagesUnderOldKeys(from, countMax);
    found.pages.push(...step.pages);
    found.pending += step.pendingCount;
    found.damaged += step.damagedCount;
    from = step.next;
  }
  return found;
}

test("pages under old keys are found, rewritten step by step, and then there are none", async () => {
  for (const first of [undefined, new TestKeys(1)]) {
    const world = makeWorld();
    await makeFile(world, first);
    const keys = first ?? new TestKeys();
    keys.add(2);
    const pager = await openExisting(world.environment, { frames: 8, keys });
    await pager.space.load(1);

    const found = await findAll(pager, 7);
    expect(found.pages).toEqual(Array.from({ length: PAGES - 2 }, (_, at) => at + 2));
    let lsn = 10;
    for (const id of found.pages) {
      const touch = toPageLsn(lsn++);
      if (id === 2) {
        await pager.attempt(() => {
          const frame = pager.fetch(id, view);
          pager.requireFrames(0);
          pager.dirtied(frame, touch);
        });
      } else await changePage(pager, id, id + 1000, touch);
    }
    expect((await findAll(pager, 1000)).pending).toBeGreaterThan(0);
    await pager.flushBefore(toPageLsn(lsn));
    expect(await findAll(pager, 1000)).toEqual({ pages: [], pending: 0, damaged: 0 });
    await pager.writeHeader({ ...HEADER, regionCount: 1 });
    await pager.writeHeader({ ...HEADER, regionCount: 1 });
    expect(pager.headerKeyIds).toEqual([2, 2]);
    await pager.close();

    keys.destroy(1);
    const again = await openExisting(world.environment, { keys, onlySealed: true });
    await again.space.load(1);
    for (let id = 3; id < PAGES; id++) expect(await readPage(again, toPageId(id))).toBe(id + 1000);
    await again.close();
  }
});

test("a page that is damaged or cannot be read is counted, and does not stop the search", async () => {
  const world = makeWorld();
  const keys = new TestKeys(1);
  await makeFile(world, keys);
  world.storage.flipBit(PATH, 8 * (7 * 4096 + 100));
  world.storage.failReads(PATH, 9 * 4096, 9 * 4096 + 1);
  keys.add(2);
  const pager = await openExisting(world.environment, { keys });
  await pager.space.load(1);

  const found = await findAll(pager, 50);
  expect(found.damaged).toBe(2);
  expect(found.pages).toHaveLength(PAGES - 4);
  await pager.close();
});

test("a page that is written while it is looked at is never taken for damaged or done", async () => {
  const world = makeWorld();
  const keys = new TestKeys(1);
  await makeFile(world, keys);
  keys.add(2);
  const pager = await openExisting(world.environment, { frames: 32, keys });
  await pager.space.load(1);
  await changePage(pager, toPageId(20), 1, toPageLsn(5));
  world.onCall = ({ operation }) => {
    if (operation === "readAt") void pager.flushBefore(toPageLsn(5));
    return undefined;
  };
  const found = await pager.pagesUnderOldKeys(toPageId(10), 30);

  expect(found.damagedCount).toBe(0);
  expect(found.pages.length + found.pendingCount).toBeGreaterThanOrEqual(29);
  await pager.close();
});

test("after a crash at any disk call of a change of keys everything is there, and the old key is not needed when it is done", async () => {
  const random = createRandom(5);
  const world = makeWorld();
  const keys = new TestKeys(1);
  const store = new LoggedPages();
  const images: CrashImage[] = [];
  await store.open(world, 24, keys);
  for (let step = 0; step < 40; step++) await store.take(1 + random.below(8));
  await store.checkpoint();
  await store.free(3);
  keys.add(2);
  let isDone = false;
  world.onCall = () => {
    const all = [...store.records];
    const durable = all.filter(({ lsn }) => lsn <= store.log.durableLsn);
    const both = isDone ? new TestKeys(2) : new TestKeys(1, 2);
    images.push({ storage: world.storage.worstCase(), records: durable, keys: both });
    images.push({ storage: world.storage.sampleCrashImage(random), records: all, keys: both });
    return undefined;
  };
  await store.rewriteOldKeys();
  await store.checkpoint();
  expect(await store.pager.pagesUnderOldKeys(toPageId(0), 10_000)).toMatchObject({
    pages: [],
    pendingCount: 0,
  });
  await store.checkpoint(); // which began after that look, and writes the other copy of the header
  expect(store.pager.headerKeyIds).toEqual([2, 2]);
  isDone = true;
  keys.destroy(1);
  await store.take(5);
  await store.checkpoint();
  await store.pager.close();

  expect(images.length).toBeGreaterThan(40);
  for (const image of images) await recoverAndCheck(image);
});
