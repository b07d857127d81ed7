import { expect, test } from "vitest";
import { toPageId, toPageLsn } from "../src/index.ts";
import { CountingLog, type World, makeWorld, openPager, readPage, writePage } from "./fixture.ts";

/** Page 3 has LSN 500 in epoch 1; then the store is opened in `epoch` with a log that ends at `logEnd`. */
async function readLater(world: World, epoch: number, logEnd: number): Promise<number> {
  const pager = await openPager(world, { epoch: 1 });
  await pager.grow(10);
  await writePage(pager, toPageId(3), 33, toPageLsn(500));
  await pager.flushBefore(toPageLsn(500));
  await pager.close();
  const gate = new CountingLog(() => Promise.resolve(), logEnd);
  const again = await openPager(world, { epoch, gate });
  try {
    return await readPage(again, toPageId(3));
  } finally {
    await again.close();
  }
}

test("a page of an earlier life whose log is gone is refused, and only such a page", async () => {
  await expect(readLater(makeWorld(), 2, 499)).rejects.toMatchObject({
    code: "PAGER_CORRUPT_PAGE",
    details: { page: 3, reason: "log-end", expected: 499, found: 500 },
  });
  expect(await readLater(makeWorld(), 2, 500)).toBe(33);
  expect(await readLater(makeWorld(), 1, 499)).toBe(33); // of this life: the gate sees to it
});

test("the sabotage pager.ignore-log-end is caught", async () => {
  expect(await readLater(makeWorld({ mutants: ["pager.ignore-log-end"] }), 2, 499)).toBe(33);
});
