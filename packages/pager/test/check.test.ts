import { expect, test } from "vitest";
import {
  PAGE_BITMAP,
  PAGE_LEAF,
  PageView,
  formatPage,
  setBits,
  toPageId,
  toPageLsn,
  verifyPages,
} from "../src/index.ts";
import { sealPage, writeChecksum } from "../src/page-seal.ts";
import {
  FILE_ID,
  HEADER,
  PATH,
  TestKeys,
  type World,
  makeWorld,
  openPager,
  writePage,
} from "./fixture.ts";

const view = new PageView();

/** A file with a bitmap page and pages 3 to 9, closed in good order. */
async function soundFile(keys?: TestKeys): Promise<World> {
  const world = makeWorld();
  const pager = await openPager(world, keys === undefined ? {} : { keys });
  await pager.grow(200);
  for (let id = 3; id < 10; id++) await writePage(pager, toPageId(id), id);
  await pager.attempt(() => {
    pager.requireFrames(1);
    const frame = pager.create(toPageId(2), view);
    formatPage(view, toPageId(2), PAGE_BITMAP);
    setBits(view, { first: 0, count: 10 }, true);
    pager.dirtied(frame, toPageLsn(1));
  });
  await pager.flushBefore(toPageLsn(1));
  await pager.datasync();
  await pager.writeHeader({ ...HEADER, regionCount: 1, isClean: true });
  await pager.writeHeader({ ...HEADER, regionCount: 1, isClean: true });
  await pager.close();
  return world;
}

test("a sound file has no problems", async () => {
  const world = await soundFile();

  expect(await verifyPages(world.environment, PATH)).toMatchObject({
    header: { isClean: true, sequence: 3 },
    pageCount: 202,
    trailingBytes: 0,
    usedPages: 10,
    freePages: 192,
    unknownPages: 0,
    usedByKey: new Map([[0, 10]]),
    freeByKey: new Map(),
    problems: [],
    problemCount: 0,
  });
});

test("under its keys every page of a sealed file is opened; of free pages the keys are told", async () => {
  const keys = new TestKeys(1);
  const world = await soundFile(keys);
  const stale = world.storage.readFile(PATH).slice(9 * 4096, 10 * 4096);
  new DataView(stale.buffer).setUint32(16, 100, true); // what page 100 held when it was in use
  writeChecksum(stale);
  world.storage.overwrite(PATH, 100 * 4096, stale);
  keys.add(2);

  expect(await verifyPages(world.environment, PATH, { keys })).toMatchObject({
    usedPages: 10,
    freePages: 192,
    usedByKey: new Map([[1, 10]]),
    freeByKey: new Map([[1, 1]]),
    problemCount: 0,
  });
  // Without keys nobody knows which pages are in use; the headers can be read.
  expect(await verifyPages(world.environment, PATH)).toMatchObject({
    usedPages: 3,
    unknownPages: 199,
    problemCount: 0,
  });
});

test("forged pages and pages under unknown keys are listed each for itself", async () => {
  const keys = new TestKeys(1);
  const world = await soundFile(keys);
  const forged = world.storage.readFile(PATH).slice(4 * 4096, 5 * 4096);
  forged[2000]! ^= 1;
  writeChecksum(forged);
  world.storage.overwrite(PATH, 4 * 4096, forged);
  const header = world.storage.readFile(PATH).slice(0, 4096);
  header[2000]! ^= 1;
  writeChecksum(header);
  world.storage.overwrite(PATH, 0, header);
  const foreign = world.storage.readFile(PATH).slice(6 * 4096, 7 * 4096);
  new DataView(foreign.buffer).setUint32(28, 77, true);
  writeChecksum(foreign);
  world.storage.overwrite(PATH, 6 * 4096, foreign);

  expect((await verifyPages(world.environment, PATH, { keys }))!.problems).toEqual([
    { page: 0, offset: 0, reason: "not-authentic", expected: 0, found: 1 },
    { page: 4, offset: 4 * 4096, reason: "not-authentic", expected: 0, found: 1 },
    { page: 6, offset: 6 * 4096, reason: "key-unknown", expected: 0, found: 77 },
  ]);
});

test("a file that ends within a page, or before pages in use, says so", async () => {
  const world = await soundFile();
  world.storage.truncateFile(PATH, 150 * 4096 + 7);
  expect(await verifyPages(world.environment, PATH)).toMatchObject({
    pageCount: 150,
    trailingBytes: 7,
    freePages: 140,
    problemCount: 0,
  });
  world.storage.truncateFile(PATH, 2 * 4096);
  const report = await verifyPages(world.environment, PATH);
  expect(report!.problems).toEqual([
    { page: 2, offset: 8192, reason: "short", expected: 4096, found: 0 },
  ]);
});

test("a file that does not exist has no report, a new one is sound", async () => {
  const world = makeWorld();
  expect(await verifyPages(world.environment, PATH)).toBeUndefined();
  await (await openPager(world)).close();
  expect(await verifyPages(world.environment, PATH)).toMatchObject({ usedPages: 2, problems: [] });
});

// REL-W4
test("REL-W4: a flipped bit in any used page is listed, in a free page it is nobody's concern", async () => {
  const world = await soundFile();
  for (const page of [0, 1, 2, 3, 9]) {
    world.storage.flipBit(PATH, 8 * 4096 * page + 12_345);
    const report = await verifyPages(world.environment, PATH);
    expect(report!.problems).toMatchObject([{ page, offset: page * 4096, reason: "checksum" }]);
    world.storage.flipBit(PATH, 8 * 4096 * page + 12_345);
  }
  world.storage.flipBit(PATH, 8 * 4096 * 10 + 12_345);
  expect(await verifyPages(world.environment, PATH)).toMatchObject({ problemCount: 0 });
});

test("swapped, unreadable and missing pages are listed each for itself", async () => {
  const world = await soundFile();
  world.storage.swapPages(PATH, 4, 6);
  world.storage.failReads(PATH, 8 * 4096 + 100, 8 * 4096 + 200);
  world.storage.truncateFile(PATH, 9 * 4096 + 10);

  const report = await verifyPages(world.environment, PATH);

  expect(report!.problems).toEqual([
    { page: 4, offset: 4 * 4096, reason: "page-id", expected: 4, found: 6 },
    { page: 6, offset: 6 * 4096, reason: "page-id", expected: 6, found: 4 },
    { page: 8, offset: 8 * 4096, reason: "unreadable", expected: 4096, found: 0 },
    { page: 9, offset: 9 * 4096, reason: "short", expected: 4096, found: 10 },
  ]);
  expect(report!.usedPages).toBe(10);
});

/** Puts a page there that its checksum approves. */
function overwriteSealed(world: World, id: number, fill: (page: PageView) => void): void {
  const page = new Uint8Array(4096);
  fill(PageView.of(page));
  sealPage(page, { fileId: FILE_ID, epoch: 1 });
  world.storage.overwrite(PATH, id * 4096, page);
}

test("a bitmap page that is none, or does not mark what must be used, is listed", async () => {
  const world = await soundFile();
  overwriteSealed(world, 2, (page) => formatPage(page, toPageId(2), PAGE_LEAF));
  expect((await verifyPages(world.environment, PATH))!.problems).toEqual([
    { page: 2, offset: 8192, reason: "type", expected: PAGE_BITMAP, found: PAGE_LEAF },
  ]);

  overwriteSealed(world, 2, (page) => {
    formatPage(page, toPageId(2), PAGE_BITMAP);
    setBits(page, { first: 1, count: 1 }, true);
    setBits(page, { first: 3, count: 1 }, true);
  });
  expect((await verifyPages(world.environment, PATH))!.problems).toEqual([
    { page: 0, offset: 0, reason: "unmarked", expected: 1, found: 0 },
    { page: 2, offset: 8192, reason: "unmarked", expected: 1, found: 0 },
  ]);
});

test("problems beyond the thousandth are counted", async () => {
  const world = await soundFile();
  overwriteSealed(world, 2, (page) => {
    formatPage(page, toPageId(2), PAGE_BITMAP);
    setBits(page, { first: 0, count: 3000 }, true);
  });

  const report = await verifyPages(world.environment, PATH);

  expect(report!.problems).toHaveLength(1000);
  expect(report!.problemCount).toBe(3000 - 10);
});
