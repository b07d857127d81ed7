import { expect, test } from "vitest";
import { type Pager, toPageId, toPageLsn } from "../src/index.ts";
import { WrittenLsns } from "../src/written-lsns.ts";
import {
  PATH,
  TestKeys,
  type World,
  changePage,
  makeWorld,
  openPager,
  readPage,
  readPageSync,
  writePage,
} from "./fixture.ts";

/** Writes page 4 twice, and puts its first state back on the disk: the second write was lost. */
async function loseWrite(world: World, keys?: TestKeys): Promise<Pager> {
  const pager = await openPager(world, { frames: 4, ...(keys === undefined ? {} : { keys }) });
  await pager.grow(20);
  await writePage(pager, toPageId(4), 4, toPageLsn(10));
  await pager.flushBefore(toPageLsn(10));
  const before = world.storage.readFile(PATH).slice(4 * 4096, 5 * 4096);
  await changePage(pager, toPageId(4), 44, toPageLsn(20));
  await pager.flushBefore(toPageLsn(20));
  await pager.datasync();
  world.storage.overwrite(PATH, 4 * 4096, before);
  for (let id = 6; id < 12; id++) await writePage(pager, toPageId(id), id, toPageLsn(30)); // evicts it
  await pager.flushBefore(toPageLsn(30));
  return pager;
}

// REL-W2
test("REL-W2: a lost write is found when its page is read again, with the LSN expected and found", async () => {
  for (const keys of [undefined, new TestKeys(1)]) {
    const pager = await loseWrite(makeWorld(), keys);
    const error = {
      code: "PAGER_LOST_WRITE",
      retryable: false,
      details: { path: PATH, page: 4, offset: 4 * 4096, expected: 20, found: 10 },
    };
    expect(() => readPageSync(pager, toPageId(4))).toThrow(expect.objectContaining(error));
    await expect(readPage(pager, toPageId(4))).rejects.toMatchObject(error);
    for (let id = 6; id < 12; id++) expect(await readPage(pager, toPageId(id))).toBe(id);
    await pager.close();
  }
});

test("the sabotage pager.forget-written-lsn is caught", async () => {
  const pager = await loseWrite(makeWorld({ mutants: ["pager.forget-written-lsn"] }));

  expect(await readPage(pager, toPageId(4))).toBe(4); // an old answer, as the test above forbids
});

test("what was written is expected, until another page takes its place or it leaves the file", () => {
  const written = new WrittenLsns(makeWorld().environment, 4); // 1,024 places
  expect(written.expected(toPageId(7))).toBe(0);
  written.note(toPageId(7), 2 ** 52);
  written.note(toPageId(2 ** 32 - 1), 5);
  expect(written.expected(toPageId(7))).toBe(2 ** 52);
  expect(written.expected(toPageId(2 ** 32 - 1))).toBe(5);
  expect(written.expected(toPageId(1031))).toBe(0);

  written.note(toPageId(1031), 9);
  expect(written.expected(toPageId(1031))).toBe(9);
  expect(written.expected(toPageId(7))).toBe(0);

  written.forgetFrom(1000);
  expect(written.expected(toPageId(1031))).toBe(0);
  expect(written.expected(toPageId(2 ** 32 - 1))).toBe(0);
});

test("pages evicted and read again a thousand times are never taken for lost", async () => {
  const pager = await openPager(makeWorld(), { frames: 8 });
  await pager.grow(2000);
  for (let id = 2; id < 2000; id += 2) await writePage(pager, toPageId(id), id, toPageLsn(id));
  for (let id = 2; id < 2000; id += 4)
    await changePage(pager, toPageId(id), id + 1, toPageLsn(5000 + id));
  for (let id = 2; id < 2000; id += 2) {
    expect(await readPage(pager, toPageId(id))).toBe(id % 4 === 2 ? id + 1 : id);
  }
  await pager.close();
});
