import { KvsError } from "@kvs/env";
import { expect, test } from "vitest";
import { type Pager, toPageId, toPageLsn } from "../src/index.ts";
import { Quarantine } from "../src/quarantine.ts";
import {
  PATH,
  type World,
  makeWorld,
  openExisting,
  openPager,
  readPage,
  readPageSync,
  writePage,
} from "./fixture.ts";

/** Ten pages, of which 5 and 7 are damaged. */
async function damagedFile(world: World): Promise<Pager> {
  const pager = await openPager(world);
  await pager.grow(20);
  for (let id = 3; id < 13; id++) await writePage(pager, toPageId(id), id);
  await pager.flushBefore(toPageLsn(1));
  await pager.close();
  world.storage.flipBit(PATH, 8 * (5 * 4096 + 999));
  world.storage.zeroSector(PATH, 7 * 8);
  return openExisting(world.environment);
}

function countReads(world: World): { count: number } {
  const reads = { count: 0 };
  world.onCall = ({ operation }) => {
    if (operation.startsWith("readAt")) reads.count++;
    return undefined;
  };
  return reads;
}

// REL-P14
test("REL-P14: a corrupt page is a typed error for those who need it and for nobody else, and stays in quarantine", async () => {
  const world = makeWorld();
  const pager = await damagedFile(world);
  expect(pager.quarantined()).toEqual([]);
  const first = await readPage(pager, toPageId(5)).catch((error: unknown) => error);
  expect(first).toMatchObject({ code: "PAGER_CORRUPT_PAGE", details: { page: 5 } });
  expect(() => readPageSync(pager, toPageId(7))).toThrow("page 7");
  expect(pager.quarantined()).toEqual([5, 7]);

  const reads = countReads(world);
  for (let times = 0; times < 3; times++) {
    expect(await readPage(pager, toPageId(5)).catch((error: unknown) => error)).toBe(first);
    expect(() => readPageSync(pager, toPageId(7))).toThrow("PAGER_CORRUPT_PAGE");
  }
  expect(reads.count).toBe(0);
  for (const id of [3, 4, 6, 8, 9, 10, 11, 12])
    expect(await readPage(pager, toPageId(id))).toBe(id);
  expect(pager.stats()).toMatchObject({ damagedPages: 2, quarantinedPages: 2 });
  expect(pager.error).toBeUndefined();
  await pager.close();
});

test("a page that is written anew is out of quarantine, and the other stays", async () => {
  const pager = await damagedFile(makeWorld());
  for (const id of [5, 7]) await expect(readPage(pager, toPageId(id))).rejects.toThrow("CORRUPT");
  await writePage(pager, toPageId(5), 55, toPageLsn(2));
  expect(pager.quarantined()).toEqual([7]);
  await pager.flushBefore(toPageLsn(2));
  for (const id of [8, 9, 10, 11]) await readPage(pager, toPageId(id)); // evicts it

  expect(await readPage(pager, toPageId(5))).toBe(55);
  await expect(readPage(pager, toPageId(7))).rejects.toThrow("PAGER_CORRUPT_PAGE");
  pager.drop(toPageId(7));
  expect(pager.stats()).toMatchObject({ damagedPages: 2, quarantinedPages: 0 });
  await pager.close();
});

test("a page that was damaged only on its way is read again, and is sound", async () => {
  const world = makeWorld();
  const pager = await damagedFile(world);
  for (const read of [readPage, readPageSync]) {
    let reads = 0;
    world.onCall = ({ operation }) => {
      if (!operation.startsWith("readAt")) return undefined;
      reads++;
      if (reads < 3) world.storage.flipBit(PATH, 8 * (6 * 4096 + 2000)); // there, and back again
      return undefined;
    };
    expect(await read(pager, toPageId(6))).toBe(6);
    expect(reads).toBe(2);
    for (const id of [8, 9, 10, 11]) await readPage(pager, toPageId(id));
  }
  expect(pager.quarantined()).toEqual([]);
  await pager.close();
});

test("a read that failed is no damage, and a thousand damaged pages are enough to remember", () => {
  const quarantine = new Quarantine();
  quarantine.note(toPageId(3), new KvsError("DISK_IO", "the device failed", { outcome: "none" }));
  expect(quarantine.size).toBe(0);
  for (let id = 0; id < 2000; id++) {
    quarantine.note(
      toPageId(id),
      new KvsError("PAGER_CORRUPT_PAGE", "damaged", { outcome: "none" }),
    );
  }
  expect(quarantine.size).toBe(1024);
  expect(quarantine.foundCount).toBe(2000);
  expect(() => quarantine.requireSound(toPageId(1999))).not.toThrow();
  expect(() => quarantine.requireSound(toPageId(1000))).toThrow("PAGER_CORRUPT_PAGE");
});
