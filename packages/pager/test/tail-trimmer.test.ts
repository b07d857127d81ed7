import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { BITMAP_BITS, toPageId, toPageLsn } from "../src/index.ts";
import { CountingLog, PATH, makeWorld, openPager, writePage } from "./fixture.ts";
import { type CrashImage, LoggedPages, recoverAndCheck } from "./logged-pages.ts";

/** Takes and frees runs with checkpoints in between; at every disk call some crash images are kept. */
async function liveWithCrashes(
  seed: number,
  mutants: readonly string[] = [],
): Promise<CrashImage[]> {
  const random = createRandom(seed);
  const world = makeWorld({ seed, mutants });
  const store = new LoggedPages();
  const images: CrashImage[] = [];
  await store.open(world, 24);
  world.onCall = () => {
    const all = [...store.records];
    const durable = all.filter(({ lsn }) => lsn <= store.log.durableLsn);
    images.push({ storage: world.storage.worstCase(), records: durable });
    images.push({ storage: world.storage.sampleCrashImage(random), records: all });
    return undefined;
  };
  const change = async (): Promise<void> => {
    if (store.held.length > 0 && random.chance(0.5))
      await store.free(random.below(store.held.length));
    else await store.take(1 + random.below(12));
  };
  for (let round = 0; round < 8; round++) {
    for (let step = 0; step < 6; step++) await change();
    // The last runs are freed, so that the file has a free tail.
    while (store.held.length > 2) await store.free(store.held.length - 1);
    await store.checkpoint(async () => {
      // Behind the mark pages are taken and freed at the file's end: redo will want them.
      await store.take(12);
      await store.free(store.held.length - 1);
    });
  }
  await store.pager.close();
  images.push({ storage: world.storage.worstCase(), records: store.records });
  expect(store.trimmed).toBeGreaterThan(0);
  return images;
}

// REL-P3, REL-P13
test("after a crash at any disk call of a file that shrinks and grows, redo finds its pages, and what was used is used", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const images = await liveWithCrashes(seed);
    expect(images.length).toBeGreaterThan(120);
    for (const image of images) await recoverAndCheck(image);
  }
});

test("the sabotage pager.trim-early is caught", async () => {
  const images = await liveWithCrashes(1, ["pager.trim-early"]);
  const wrong = new Set<string>();
  for (const image of images) {
    await recoverAndCheck(image).catch((error: Error) => wrong.add(error.message));
  }

  expect([...wrong].some((message) => message.startsWith("redo wants page"))).toBe(true);
});

test("a free tail is given back step by step, but for what is to stay", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { gate: new CountingLog() });
  await pager.grow(998);
  const run = pager.space.take(300);
  expect(await pager.trimTail()).toBe(0); // no mark
  pager.space.release({ first: toPageId(run.first + 100), count: 200 });
  const sizes: number[] = [];
  world.onCall = ({ operation, bytes }) => {
    if (operation === "truncate") sizes.push(bytes! / 4096);
    return undefined;
  };

  pager.markTail();
  expect(pager.space.tail).toBe(103);
  expect(await pager.trimTail({ keepPages: 50, stepPages: 400 })).toBe(1000 - 153);
  expect(sizes).toEqual([600, 200, 153]);
  expect(pager.pageCount).toBe(153);
  expect(world.storage.readFile(PATH)).toHaveLength(153 * 4096);
  expect(await pager.trimTail({ keepPages: 50 })).toBe(0);
  expect(await pager.trimTail()).toBe(153 - 103 - 16);
  await pager.close();
});

test("a page that was in use since the mark keeps the file's end where it is", async () => {
  const pager = await openPager(makeWorld());
  await pager.grow(500);
  pager.space.take(10);
  pager.markTail();
  const run = pager.space.take(200);
  pager.space.release(run);
  expect(pager.space.usedEnd).toBe(13);
  expect(await pager.trimTail({ keepPages: 0 })).toBe(502 - 213);
  pager.markTail();
  expect(await pager.trimTail({ keepPages: 0 })).toBe(200);
  await pager.close();
});

test("a page that is dropped while it is written does not make the file longer again", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { frames: 16 });
  await pager.grow(100);
  pager.space.take(5);
  for (const id of [20, 60, 80]) await writePage(pager, toPageId(id), id);
  pager.markTail();
  const flush = pager.flushBefore(toPageLsn(1));
  for (const id of [20, 60, 80]) pager.drop(toPageId(id));
  const cut = await pager.trimTail({ keepPages: 0 });
  await flush;
  const rest = await pager.trimTail({ keepPages: 0 });

  expect(cut + rest).toBe(102 - 8);
  expect(world.storage.readFile(PATH)).toHaveLength(8 * 4096);
  await pager.close();
});

test("growth waits for a cut under way, and what is written there afterwards stays", async () => {
  const world = makeWorld();
  const pager = await openPager(world, { frames: 16 });
  await pager.grow(200);
  pager.markTail();
  const trimming = pager.trimTail({ keepPages: 0, stepPages: 150 });
  const [cut] = await Promise.all([trimming, pager.grow(100)]);
  expect(cut).toBe(150); // it stops when somebody needs a longer file
  await writePage(pager, toPageId(50), 50);
  await pager.flushBefore(toPageLsn(1));
  await pager.datasync();
  const { pageCount } = pager;

  const again = await openPager(makeWorld({ storage: world.storage.worstCase() }));
  expect(again.pageCount).toBe(pageCount);
  await pager.close();
});

test("a cut that fails is final", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(100);
  pager.markTail();
  world.onCall = ({ operation }) =>
    operation === "truncate" ? { type: "error", code: "DISK_IO" } : undefined;

  await expect(pager.trimTail()).rejects.toThrow("PAGER_WRITE_FAILED");
  await expect(pager.trimTail()).rejects.toThrow("PAGER_WRITE_FAILED");
  await pager.close();
});

test("regions that hold nothing end, give their pages back, and begin again", async () => {
  const world = makeWorld();
  const store = new LoggedPages();
  await store.open(world, 1024);
  const { space } = store.pager;
  while (space.regionCount < 2) await store.take(500);
  expect(space.regionCount).toBe(2);
  const { freePages, usedEnd } = space;
  expect(usedEnd).toBeGreaterThan(BITMAP_BITS);
  await store.checkpoint();
  expect(store.pager.space.regionCount).toBe(2); // it is in use

  while (store.held.some(({ run }) => run.first > BITMAP_BITS)) {
    await store.free(store.held.findIndex(({ run }) => run.first > BITMAP_BITS));
  }
  await store.checkpoint();
  expect(space.regionCount).toBe(1);
  expect(store.pager.header.regionCount).toBe(1);
  expect(store.pager.pageCount).toBeLessThan(BITMAP_BITS + 100);
  expect(space.freePages).toBeLessThan(freePages);

  while (space.regionCount < 2) await store.take(200);
  expect(store.held.at(-1)!.run.first).toBeGreaterThan(BITMAP_BITS);
  await store.checkpoint();
  expect(store.pager.header.regionCount).toBe(2);
  await store.pager.close();
});
