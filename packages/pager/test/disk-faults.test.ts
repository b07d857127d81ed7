import { KvsError, createRandom } from "@kvs/env";
import { type DiskVerdict, forEachSeedAsync } from "@kvs/sim";
import { expect, test } from "vitest";
import {
  PAGE_BITMAP,
  PAGE_BYTES,
  PAGE_LEAF,
  PageView,
  type Pager,
  formatPage,
  pageLsn,
  setBits,
  toPageId,
  toPageLsn,
} from "../src/index.ts";
import { writeChecksum } from "../src/page-seal.ts";
import {
  FILE_ID,
  HEADER,
  PATH,
  TestKeys,
  type World,
  changePage,
  fillBody,
  makeWorld,
  openExisting,
  openPager,
  readBody,
  readPage,
  readPageSync,
  writePage,
} from "./fixture.ts";

const view = new PageView();

async function threePages(world: World): Promise<Pager> {
  const pager = await openPager(world);
  await pager.grow(10);
  for (let id = 3; id < 6; id++) await writePage(pager, toPageId(id), id);
  await pager.flushBefore(toPageLsn(1));
  await pager.datasync();
  await pager.close();
  return openExisting(world.environment);
}

test("REL-W4: every flipped bit of a page at rest is an error with its place, never an answer", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  for (let byte = 0; byte < PAGE_BYTES; byte++) {
    const bit = 8 * (4 * PAGE_BYTES + byte) + (byte % 8);
    world.storage.flipBit(PATH, bit);
    expect(() => readPageSync(pager, toPageId(4))).toThrow(
      expect.objectContaining({ code: "PAGER_CORRUPT_PAGE" }),
    );
    world.storage.flipBit(PATH, bit);
    pager.drop(toPageId(4)); // lifts the quarantine
  }
  expect(readPageSync(pager, toPageId(4))).toBe(4);
});

// REL-W4
test("REL-W4: every byte of a small page file flipped, header, bitmap, pages and free pages: right values or typed errors", async () => {
  const world = makeWorld();
  const made = await openPager(world);
  await made.grow(6);
  for (let id = 3; id < 6; id++) await writePage(made, toPageId(id), id);
  await made.attempt(() => {
    made.requireFrames(1);
    const frame = made.create(toPageId(2), view);
    formatPage(view, toPageId(2), PAGE_BITMAP);
    setBits(view, { first: 0, count: 6 }, true);
    made.dirtied(frame, toPageLsn(1));
  });
  await made.flushBefore(toPageLsn(1));
  await made.writeHeader({ ...HEADER, regionCount: 1 });
  await made.writeHeader({ ...HEADER, regionCount: 1 });
  await made.close();
  const outcomes = new Map<string, number>();
  for (let byte = 0; byte < 8 * PAGE_BYTES; byte += byte < 6 * PAGE_BYTES ? 1 : 64) {
    const bit = 8 * byte + (byte % 8);
    world.storage.flipBit(PATH, bit);
    const outcome = await readEverything(world).catch((error: KvsError) => error.code);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    world.storage.flipBit(PATH, bit);
  }
  // One copy of the header is enough, and free pages hold anything; all other bytes are noticed.
  expect(Object.fromEntries(outcomes)).toEqual({
    right: 2 * PAGE_BYTES + 128,
    PAGER_CORRUPT_PAGE: 4 * PAGE_BYTES,
  });
});

async function readEverything(world: World): Promise<string> {
  const pager = await openExisting(world.environment);
  try {
    await pager.space.load(pager.header.regionCount);
    expect(pager.header.sequence).toBeGreaterThanOrEqual(2);
    expect([5, 6].map((id) => pager.space.isFree(toPageId(id)))).toEqual([false, true]);
    for (let id = 3; id < 6; id++) expect(readPageSync(pager, toPageId(id))).toBe(id);
    return "right";
  } finally {
    await pager.close();
  }
}

test("the sabotage pager.ignore-checksum is caught", async () => {
  const world = makeWorld({ mutants: ["pager.ignore-checksum"] });
  const pager = await threePages(world);
  for (let word = 0; word < 1008; word++) {
    world.storage.flipBit(PATH, 8 * (4 * PAGE_BYTES + 64 + 4 * word));
  }

  expect(readPageSync(pager, toPageId(4))).not.toBe(4); // a wrong answer, as no test would let pass
});

// REL-W4, REL-P14
test("REL-W4, REL-P14: a damaged page is an error for those who need it, and for nobody else", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  world.storage.zeroSector(PATH, 4 * 8 + 3);

  await expect(readPage(pager, toPageId(4))).rejects.toMatchObject({
    code: "PAGER_CORRUPT_PAGE",
    retryable: false,
    outcome: "none",
    details: { path: PATH, page: 4, offset: 4 * PAGE_BYTES, reason: "checksum" },
  });
  expect(await readPage(pager, toPageId(3))).toBe(3);
  expect(readPageSync(pager, toPageId(5))).toBe(5);
});

// REL-W3
test("REL-W3: pages that changed places are found", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  world.storage.swapPages(PATH, 3, 5);

  await expect(readPage(pager, toPageId(3))).rejects.toMatchObject({
    details: { reason: "page-id", expected: 3, found: 5 },
  });
  expect(() => readPageSync(pager, toPageId(5))).toThrow(
    expect.objectContaining({ code: "PAGER_CORRUPT_PAGE" }),
  );
});

// REL-W3
test("REL-W3: a page of another file, in the right place, with the right checksum, is found", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  const page = world.storage.readFile(PATH).slice(4 * PAGE_BYTES, 5 * PAGE_BYTES);
  new DataView(page.buffer).setUint32(20, FILE_ID + 1, true);
  writeChecksum(page);
  world.storage.overwrite(PATH, 4 * PAGE_BYTES, page);

  await expect(readPage(pager, toPageId(4))).rejects.toMatchObject({
    code: "PAGER_CORRUPT_PAGE",
    details: { reason: "file-id", page: 4, expected: FILE_ID, found: FILE_ID + 1 },
  });
  await pager.close();
});

test("the sabotage pager.ignore-page-id is caught", async () => {
  const world = makeWorld({ mutants: ["pager.ignore-page-id"] });
  const pager = await threePages(world);
  world.storage.swapPages(PATH, 3, 5);

  expect(await readPage(pager, toPageId(3))).toBe(5); // another page's content, as no test would let pass
});

// REL-W3
test("REL-W3: a misdirected write is found where it hit", async () => {
  await forEachSeedAsync({ seeds: 30 }, async ({ seed }) => {
    const world = makeWorld({ seed });
    const pager = await threePages(world);
    await changePage(pager, toPageId(4), 44, toPageLsn(2));
    await pager.flushBefore(toPageLsn(2));
    world.onCall = ({ operation }) =>
      operation === "datasync" ? { type: "misdirect" } : undefined;
    await pager.datasync();
    await pager.close();
    world.storage.crash("worst-case");

    const again = makeWorld({ seed, storage: world.storage });
    const words: (number | string)[] = [];
    const reopened = await openPager(again).catch((error: unknown) => error as KvsError);
    if (reopened instanceof KvsError) {
      expect(reopened.code).toBe("PAGER_NO_HEADER");
      return;
    }
    for (let id = 3; id < 6; id++) {
      words.push(await readPage(reopened, toPageId(id)).catch((error: KvsError) => error.code));
    }
    // Page 4 holds its old bytes; whatever the new ones hit does not read as a page of its own.
    expect(["PAGER_CORRUPT_PAGE", 3]).toContain(words[0]);
    expect(["PAGER_CORRUPT_PAGE", 4]).toContain(words[1]);
    expect(["PAGER_CORRUPT_PAGE", 5]).toContain(words[2]);
  });
});

// REL-W2
test("REL-W2: after a lost write a page still shows its old LSN, so that redo is due again", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  await changePage(pager, toPageId(4), 44, toPageLsn(20));
  await pager.flushBefore(toPageLsn(20));
  world.onCall = ({ operation }) =>
    operation === "datasync" ? { type: "lose", what: "all" } : undefined;
  await pager.datasync();
  await pager.close();
  world.storage.crash("worst-case");

  const again = await openPager(makeWorld({ storage: world.storage }));
  const lsn = await again.attempt(() => again.pageLsnOf(again.fetch(toPageId(4), view)));
  expect(lsn).toBe(1);
  expect(await readPage(again, toPageId(4))).toBe(4);
});

// REL-P1
test("REL-P1: after a power cut a page is old, new, or an error, never a mixture", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  await changePage(pager, toPageId(4), 44, toPageLsn(2));
  await pager.flushBefore(toPageLsn(2));

  const seen = new Set<number | string>();
  for (const storage of world.storage.crashImages({ lastSectors: 8 })) {
    const after = await openPager(makeWorld({ storage }));
    seen.add(await readPage(after, toPageId(4)).catch((error: KvsError) => error.code));
  }
  expect(seen).toEqual(new Set([4, 44, "PAGER_CORRUPT_PAGE"]));
});

test("a page behind the end of the file is an error", async () => {
  const pager = await threePages(makeWorld());
  await expect(readPage(pager, toPageId(2 ** 32 - 1))).rejects.toMatchObject({
    code: "PAGER_CORRUPT_PAGE",
    details: {
      page: 2 ** 32 - 1,
      offset: (2 ** 32 - 1) * PAGE_BYTES,
      reason: "short",
      expected: PAGE_BYTES,
      found: 0,
    },
  });
});

// REL-P13
test("REL-P13: pages beyond 2^31 bytes, 2^32 bytes and 2^31 pages are written and read", async () => {
  const world = makeWorld();
  await (await openPager(world)).close();
  const file = await world.disk.open(PATH);
  await file.truncate(2 ** 32 * PAGE_BYTES); // sparse: nobody writes 16 TiB
  await file.close();
  const keys = new TestKeys(1);
  const pager = await openPager(world, { keys });
  expect(pager.pageCount).toBe(2 ** 32);
  const near = [2 ** 19, 2 ** 20, 2 ** 31, 2 ** 32 - 1];
  const ids = near.flatMap((id) => [id - 1, id]).map(toPageId);

  for (const [at, id] of ids.entries()) await writePage(pager, id, at, toPageLsn(2 ** 52 + at));
  await pager.flushBefore(toPageLsn(2 ** 53 - 1));
  await pager.close();

  const again = await openPager(world, { keys });
  for (const [at, id] of ids.entries()) {
    expect(await readPage(again, id)).toBe(at);
    expect(readPageSync(again, id)).toBe(at);
    const lsn = await again.attempt(() => again.pageLsnOf(again.fetch(id, view)));
    expect(lsn).toBe(2 ** 52 + at);
  }
  await again.close();
});

test("reads that come in pieces are put together", async () => {
  const pager = await threePages(makeWorld());
  await pager.close();
  const world = makeWorld({ plan: { shortRead: 0.9, shortWrite: 0.9 } });
  const slow = await threePages(world);
  for (let id = 3; id < 6; id++) expect(await readPage(slow, toPageId(id))).toBe(id);
  await slow.close();
});

test("REL-W10: a read that fails once is an error once", async () => {
  const world = makeWorld();
  const pager = await threePages(world);
  let failures = 2;
  world.onCall = ({ operation }) =>
    operation.startsWith("readAt") && failures-- > 0
      ? { type: "error", code: "DISK_IO" }
      : undefined;

  await expect(readPage(pager, toPageId(3))).rejects.toThrow("DISK_IO");
  expect(() => readPageSync(pager, toPageId(3))).toThrow("DISK_IO");
  expect(await readPage(pager, toPageId(3))).toBe(3);
  expect(pager.stats().freeFrames).toBe(3); // no frame was lost on the way
});

/** What a store does in a life, each step by itself: a failed one is not the last. */
async function liveOnce(world: World, codes: Set<string>): Promise<void> {
  const model = new Map<number, number>();
  const random = createRandom(5);
  const step = async (body: () => Promise<unknown>): Promise<void> => {
    try {
      await body();
    } catch (error) {
      if (!(error instanceof KvsError)) throw error;
      codes.add(error.code);
    }
  };
  let pager: Pager | undefined;
  await step(async () => {
    pager = await openPager(world);
  });
  const opened = pager;
  if (opened === undefined) return;
  for (let count = 0; count < 24; count++) {
    const id = toPageId(2 + random.below(12));
    if (id >= opened.pageCount) await step(() => opened.grow(id + 1 - opened.pageCount));
    if (id < opened.pageCount) {
      await step(() =>
        opened.attempt(() => {
          opened.requireFrames(1);
          const frame = opened.create(id, view);
          formatPage(view, id, PAGE_LEAF);
          fillBody(view, count);
          model.set(id, count);
          opened.dirtied(frame, toPageLsn(count + 1));
        }),
      );
    }
    for (const known of [...model.keys()].slice(0, 3)) {
      await step(async () =>
        expect(await readPage(opened, toPageId(known))).toBe(model.get(known)),
      );
    }
    if (count % 8 === 7) await step(() => opened.flushBefore(toPageLsn(count)));
    if (count % 8 === 7) await step(() => opened.datasync());
    if (count === 15) await step(() => opened.writeHeader(HEADER));
  }
  await step(() => opened.close());
}

const VERDICTS: readonly DiskVerdict[] = [
  { type: "error", code: "DISK_IO" },
  { type: "error", code: "DISK_FULL" },
  { type: "short", bytes: 100 },
];

const TYPED =
  /^(PAGER_(WRITE_FAILED|NO_HEADER|CORRUPT_PAGE)|DISK_(IO|FULL|SYNC_FAILED|NOT_FOUND))$/;

test("REL-W10, REL-W11: whichever disk call fails, once or from then on, answers are right or typed errors", async () => {
  const counted = makeWorld();
  let calls = 0;
  counted.onCall = () => void calls++;
  await liveOnce(counted, new Set());
  expect(calls).toBeGreaterThan(60);

  const codes = new Set<string>();
  for (let failing = 0; failing < calls; failing++) {
    for (const verdict of VERDICTS) {
      for (const isOnce of [true, false]) {
        const world = makeWorld();
        let index = 0;
        world.onCall = () => {
          const isHit = isOnce ? index === failing : index >= failing;
          index++;
          return isHit ? verdict : undefined;
        };
        await liveOnce(world, codes);
      }
    }
  }
  for (const code of codes) expect(code).toMatch(TYPED);
  expect(codes.size).toBeGreaterThan(3);
});

test("what was read of a page is what readBody calls whole", () => {
  const page = PageView.of(new Uint8Array(4096));
  fillBody(page, 7);
  page.u32[500] = 8;
  expect(() => readBody(page)).toThrow("a page of 7 holds 8");
  expect(pageLsn(page)).toBe(0);
});
