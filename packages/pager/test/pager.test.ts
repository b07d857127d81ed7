import { type KvsError, createRandom } from "@kvs/env";
import { forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";
import {
  PAGE_LEAF,
  type PageId,
  PageMiss,
  PageView,
  Pager,
  formatPage,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import {
  CountingLog,
  PATH,
  changePage,
  fillBody,
  makeWorld,
  openPager,
  readBody,
  readPage,
  readPageSync,
  writePage,
} from "./fixture.ts";

const view = new PageView();
const other = new PageView();

/** Pages [2, 2 + count), written, and none of them resident. */
async function coldPages(count: number, frames = 4): Promise<Pager> {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(count);
  for (let id = 2; id < 2 + count; id++) await writePage(pager, toPageId(id), id);
  await pager.flushBefore(toPageLsn(1));
  await pager.close();
  return openPager(world, { frames });
}

test("pages survive eviction, whatever is done in whatever order", async () => {
  await forEachSeedAsync({ seeds: 40, size: 300 }, async ({ random, size, seed }) => {
    const world = makeWorld({ seed });
    const log = new CountingLog();
    const pager = await openPager(world, { frames: 4 + random.below(13), gate: log });
    const pages = 160;
    await pager.grow(pages);
    const model = new Map<PageId, number>();
    for (let step = 0; step < size; step++) {
      const id = toPageId(2 + random.below(pages));
      const word = random.nextUint32();
      const known = model.get(id);
      const action = random.below(6);
      if (known === undefined || action === 0) {
        await writePage(pager, id, word, log.append());
        model.set(id, word);
      } else if (action === 1) {
        await changePage(pager, id, word, log.append());
        model.set(id, word);
      } else if (action === 2) {
        pager.drop(id);
        model.delete(id);
      } else if (action === 3) expect(readPageSync(pager, id)).toBe(known);
      else expect(await readPage(pager, id)).toBe(known);
    }
    await pager.flushBefore(toPageLsn(log.endLsn));
    expect(pager.stats().dirtyFrames).toBe(0);
    await pager.datasync();
    await pager.close();

    const again = await openPager(world, { frames: 4 });
    for (const [id, word] of model) expect(await readPage(again, id)).toBe(word);
    await again.close();
  });
});

test("memory decides how many frames there are; four at least", async () => {
  expect((await openPager(makeWorld(), { frames: 0 })).frameCount).toBe(4);
  expect((await openPager(makeWorld(), { frames: 100 })).frameCount).toBe(100);
  const world = makeWorld();
  await openPager(world);
  const options = { path: PATH, gate: new CountingLog(), fileId: 7, epoch: 1 };
  expect((await Pager.open(world.environment, options)).frameCount).toBe(2 ** 14);
});

test("a miss is one object for each pager, and says what is missing", async () => {
  const pager = await coldPages(10);
  pager.space.take(500); // what is left in the file
  const misses = [
    () => pager.fetch(toPageId(7), view),
    () => pager.space.take(500),
    () => pager.fetch(toPageId(2 ** 32 - 1), view),
  ].map((body) => {
    try {
      body();
    } catch (error) {
      expect(error).toBeInstanceOf(PageMiss);
      const { pageId, pages } = error as PageMiss;
      return { pageId, pages, error };
    }
    throw new Error("nothing was missing");
  });

  expect(misses.map(({ pageId }) => pageId)).toEqual([7, 0, 2 ** 32 - 1]);
  expect(misses[1]!.pages).toBe(500);
  expect(new Set(misses.map(({ error }) => error)).size).toBe(1);
  await pager.close();
});

test("an attempt that misses nothing is over in the same turn", async () => {
  const pager = await coldPages(4);
  await readPage(pager, toPageId(3));
  let isRun = false;
  const done = pager.attempt(() => {
    pager.fetch(toPageId(3), view);
    isRun = true;
    return "done";
  });
  expect(isRun).toBe(true);
  expect(await done).toBe("done");
});

test("what a body throws passes through, and leaves nothing pinned", async () => {
  const pager = await coldPages(12);
  const fail = (): never => {
    for (const id of [2, 3, 4]) pager.fetch(toPageId(id), view);
    throw new Error("of the body");
  };
  await expect(pager.attempt(fail)).rejects.toThrow("of the body");
  expect(() => pager.attemptSync(fail)).toThrow("of the body");
  await pager.attempt(() => pager.requireFrames(4));
  expect(pager.stats().freeFrames).toBe(4);
});

test("with four frames a body has three pages and a new one, or two and two", async () => {
  const pager = await coldPages(40);
  const random = createRandom(3);
  for (let step = 0; step < 100; step++) {
    const loaded = 2 + random.below(2);
    const ids = new Set<number>();
    while (ids.size < 4) ids.add(2 + random.below(40));
    const [created, ...rest] = [...ids].map(toPageId);
    const sum = await pager.attempt(() => {
      for (const id of rest.slice(0, loaded)) pager.fetch(id, view);
      pager.requireFrames(4 - loaded);
      const frame = pager.create(created!, view);
      formatPage(view, created!, PAGE_LEAF);
      fillBody(view, created!);
      pager.dirtied(frame, toPageLsn(step + 1));
      return rest.slice(0, loaded).reduce((total, id) => {
        pager.fetch(id, other);
        return total + readBody(other);
      }, 0);
    });
    expect(sum).toBe(rest.slice(0, loaded).reduce((total, id) => total + id, 0));
  }
  expect(pager.stats().evictions).toBeGreaterThan(50);
  await pager.close();
});

test("an attempt gives up pages of its own that it does not need any more", async () => {
  for (const needed of [1, 2]) {
    const pager = await coldPages(20);
    let isFirst = true;
    await pager.attempt(() => {
      if (isFirst) {
        pager.fetch(toPageId(2), view);
        pager.fetch(toPageId(3), view);
        pager.fetch(toPageId(4), view);
      }
      isFirst = false;
      for (let id = 10; id < 10 + needed; id++) pager.fetch(toPageId(id), view);
      pager.requireFrames(4 - needed);
    });
    expect(pager.stats().freeFrames).toBe(4 - needed);
    await pager.close();
  }
});

test("frames required are there when pages are created, and what was fetched before stays", async () => {
  const pager = await coldPages(20, 8);
  await pager.attempt(() => {
    for (let id = 2; id < 5; id++) pager.fetch(toPageId(id), view);
    pager.fetch(toPageId(2), view);
    pager.requireFrames(5);
    pager.requireFrames(5); // counts anew
    for (let id = 10; id < 15; id++) {
      const frame = pager.create(toPageId(id), other);
      formatPage(other, toPageId(id), PAGE_LEAF);
      fillBody(other, 100 + id);
      pager.dirtied(frame, toPageLsn(9));
    }
    expect(readBody(view)).toBe(2);
    for (let id = 2; id < 5; id++) pager.fetch(toPageId(id), view);
    expect(() => pager.create(toPageId(15), other)).toThrow("frames are required before");
  });
  expect(() => pager.requireFrames(9)).toThrow("than there are frames");
  expect(await readPage(pager, toPageId(12))).toBe(112);
  await pager.close();
});

test("attempts for one page share the read, its result and its error", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(10);
  await writePage(pager, toPageId(3), 3);
  await pager.flushBefore(toPageLsn(1));
  await pager.close();
  const again = await openPager(world);

  const words = await Promise.all([1, 2, 3, 4, 5].map(() => readPage(again, toPageId(3))));
  expect(words).toEqual([3, 3, 3, 3, 3]);
  expect(again.stats()).toMatchObject({ reads: 1, freeFrames: 3 });
  let reads = 0;
  world.onCall = ({ operation }) => {
    if (operation === "readAt") reads++;
    return undefined;
  };
  const failed = await Promise.allSettled([1, 2, 3].map(() => readPage(again, toPageId(9))));
  expect(
    failed.map((result) => result.status === "rejected" && (result.reason as KvsError).code),
  ).toEqual(Array.from({ length: 3 }, () => "PAGER_CORRUPT_PAGE"));
  expect(reads).toBe(2); // once more, before it counts as damaged
  expect(again.stats().freeFrames).toBe(3);
});

test("a blocking read overtakes a read under way", async () => {
  const pager = await coldPages(10);
  const slow = readPage(pager, toPageId(5));

  expect(readPageSync(pager, toPageId(5))).toBe(5);
  await changePage(pager, toPageId(5), 55, toPageLsn(2));

  expect(await slow).toBe(55); // not what the older read brings
  expect(await readPage(pager, toPageId(5))).toBe(55);
});

test("creating or dropping a page makes a read under way worthless, even a failed one", async () => {
  const pager = await coldPages(30);
  const slow = readPage(pager, toPageId(5));
  await writePage(pager, toPageId(5), 555, toPageLsn(2));
  expect(await slow).toBe(555);

  await pager.grow(16);
  const broken = toPageId(pager.pageCount - 1); // zeros: a read of it fails
  const reading = readPage(pager, broken);
  await writePage(pager, broken, 77, toPageLsn(3));
  expect(await reading).toBe(77);

  const dropped = readPage(pager, toPageId(6));
  pager.drop(toPageId(6));
  expect(await dropped).toBe(6);
});

test("a blocking read works when every frame is busy, one page at a time", async () => {
  const world = makeWorld();
  let releaseLog: () => void = () => undefined;
  const log = new CountingLog(() => new Promise((resolve) => void (releaseLog = resolve)));
  const first = await openPager(world);
  await first.grow(20);
  for (let id = 2; id < 20; id++) await writePage(first, toPageId(id), id);
  await first.flushBefore(toPageLsn(1));
  await first.close();
  const pager = await openPager(world, { gate: log });
  pager.requireFrames(4);
  for (let id = 2; id < 6; id++) {
    const frame = pager.create(toPageId(id), view);
    formatPage(view, toPageId(id), PAGE_LEAF);
    fillBody(view, id * 100);
    pager.dirtied(frame, log.append());
  }

  for (let id = 6; id < 20; id++) expect(readPageSync(pager, toPageId(id))).toBe(id);
  const sums: number[] = [];
  let next = 10; // a body that goes on where it was
  pager.attemptSync(() => {
    for (; next < 14; next++) {
      pager.fetch(toPageId(next), view);
      sums.push(readBody(view));
    }
  });

  expect(sums).toEqual([10, 11, 12, 13]);
  expect(readPageSync(pager, toPageId(3))).toBe(300);
  expect(() => pager.fetch(toPageId(13), view)).toThrow(expect.any(PageMiss));
  const done = pager.flushBefore(toPageLsn(log.endLsn));
  releaseLog();
  await done;
  await pager.close();
});

test("a blocking body may not ask for room or for a longer file", async () => {
  const pager = await coldPages(4);
  pager.space.take(500);
  expect(() => pager.attemptSync(() => pager.space.take(500))).toThrow("only reads");
});

test("the header pages are no pages of content", async () => {
  const pager = await coldPages(4);
  expect(() => pager.fetch(toPageId(1), view)).toThrow("in the place of a header");
  pager.requireFrames(1);
  expect(() => pager.create(toPageId(0), view)).toThrow("the file was made long enough");
  expect(() => pager.create(toPageId(pager.pageCount), view)).toThrow("long enough");
});

test("a pager that only reads changes nothing", async () => {
  const world = makeWorld();
  const pager = await openPager(world);
  await pager.grow(10);
  await writePage(pager, toPageId(3), 3);
  await pager.flushBefore(toPageLsn(1));
  await pager.close();
  const reader = await openPager(world, { readOnly: true });

  expect(await readPage(reader, toPageId(3))).toBe(3);
  expect(() => reader.create(toPageId(4), view)).toThrow("only reads");
  expect(() => reader.dirtied(0, toPageLsn(1))).toThrow("only reads");
  await expect(reader.grow(1)).rejects.toThrow("only reads");
  await expect(reader.writeHeader(reader.header)).rejects.toThrow("PAGER_WRITE_FAILED");
});

test("a closed pager answers PAGER_CLOSED, also to those who wait", async () => {
  const world = makeWorld();
  const pager = await openPager(world, {
    gate: new CountingLog(() => new Promise(() => undefined)),
  });
  await pager.grow(20);
  for (const id of [3, 4]) await writePage(pager, toPageId(id), id, toPageLsn(5));
  await pager.close();
  await pager[Symbol.asyncDispose]();

  await expect(readPage(pager, toPageId(9))).rejects.toMatchObject({ code: "PAGER_CLOSED" });
  expect(() => readPageSync(pager, toPageId(9))).toThrow("PAGER_CLOSED");
  await expect(pager.flushBefore(toPageLsn(9))).rejects.toThrow("PAGER_CLOSED");
  expect(() => pager.requireFrames(1)).toThrow("PAGER_CLOSED");
});

test("closing ends reads under way and waits, and rejects what waits for a frame", async () => {
  const pager = await coldPages(20);
  const reads = [2, 3, 4, 5, 6, 7].map((id) => readPage(pager, toPageId(id)));
  const closing = pager.close();

  const results = await Promise.allSettled(reads);
  for (const result of results) {
    if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "PAGER_CLOSED" });
  }
  expect(results.some(({ status }) => status === "rejected")).toBe(true);
  await closing;
});

// REL-P2
test("REL-P2: a page whose number is used anew while a reader waits is the old page or the new one, whole", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const world = makeWorld({ seed });
    const random = createRandom(seed);
    const pager = await openPager(world, { frames: 4 + random.below(4) });
    await pager.grow(30);
    for (let id = 3; id < 20; id++) await writePage(pager, toPageId(id), id);
    await pager.flushBefore(toPageLsn(1));
    const [first, second] = [toPageId(3 + random.below(8)), toPageId(11 + random.below(8))];
    let written = 0;
    // Whenever the reader waits for the disk, its first page is given up, and its number used anew.
    world.onCall = ({ operation, position }) => {
      if (operation !== "readAt" || position !== second * 4096 || written > 0) return undefined;
      pager.drop(first);
      try {
        pager.requireFrames(1);
        const frame = pager.create(first, other);
        formatPage(other, first, PAGE_LEAF);
        fillBody(other, (written = 1000 + seed));
        pager.dirtied(frame, toPageLsn(2));
      } catch (error) {
        if (!(error instanceof PageMiss)) throw error; // all frames are busy: it stays given up
        written = -1;
      }
      return undefined;
    };
    const seen: number[] = [];
    await pager.attempt(() => {
      pager.fetch(first, view);
      seen.push(readBody(view));
      pager.fetch(second, view);
      seen.push(readBody(view));
    });
    // What a run saw of the first page is one of its two states; the last run saw both pages whole.
    expect(seen.at(-1)).toBe(second);
    expect([first, written]).toContain(seen.at(-2));
    if (written > 0) expect(seen.at(-2)).toBe(written);
    await pager.close();
  }
});
