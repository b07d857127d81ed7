import { createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store } from "../src/index.ts";
import { contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

const FRAMES = 100;
const SPACIOUS = { memoryBytes: FRAMES * 4096 };

/** Fills a store in random order, and deletes most of it again. */
async function fillAndThin(store: Store, count: number): Promise<void> {
  const random = createRandom(count);
  const names = Array.from({ length: count }, () => `key ${random.nextUint32()}`);
  for (const name of names) await store.batch([put(name, "v".repeat(100))]);
  for (const name of names) if (random.chance(0.8)) await store.batch([del(name)]);
}

test("a store whose rows are gone becomes small, and its file shorter", async () => {
  const storage = newStorage();
  await withStore(
    storage,
    async (store) => {
      await fillAndThin(store, 1500);
      const before = await contentOf(store);
      const report = await store.compact();
      expect(report.pagesAfter).toBeLessThan(report.pagesBefore / 2);
      expect(report.pagesMoved).toBeGreaterThan(0);
      expect(report.bytesReturned).toBeGreaterThan(4096);
      expect(await contentOf(store)).toEqual(before);
      await store.close();
    },
    { store: SPACIOUS },
  );
  await withStore(storage, expectSound);
});

test("random inserts leave leaves two thirds full: a compaction fills them", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      const random = createRandom(2);
      for (let row = 0; row < 1500; row++) {
        await store.batch([put(`key ${random.nextUint32()}`, "v".repeat(100))]);
      }
      const { pagesBefore, pagesAfter } = await store.compact();
      expect(pagesAfter).toBeLessThan(0.85 * pagesBefore);
    },
    { store: SPACIOUS },
  );
});

test("writers go on during a compaction, and closing ends it", async () => {
  const storage = newStorage();
  const expected: Record<string, string> = {};
  await withStore(
    storage,
    async (store) => {
      await fillAndThin(store, 600);
      Object.assign(expected, await contentOf(store));
      const compaction = store.compact();
      const again = store.compact();
      for (let at = 0; at < 200; at++) {
        await store.batch([put(`during ${at}`, `value ${at}`)]);
        expected[`during ${at}`] = `value ${at}`;
      }
      expect(await again).toBe(await compaction);
      expect(await contentOf(store)).toEqual(expected);
      void store.compact();
      await store.close();
    },
    { store: SPACIOUS },
  );
  await withStore(storage, async (store) => expect(await contentOf(store)).toEqual(expected));
});

test("with few frames pages stay where they are, and leaves are filled all the same", async () => {
  await withStore(newStorage(), async (store) => {
    await fillAndThin(store, 300);
    const before = await contentOf(store);
    const report = await store.compact();
    expect(report.pagesMoved).toBe(0);
    expect(report.pagesAfter).toBeLessThan(report.pagesBefore);
    expect(await contentOf(store)).toEqual(before);
  });
});

test("a power cut at any call of the disk during a compaction loses nothing", async () => {
  const expected: Record<string, string> = {};
  const images: SimStorage[] = [];
  const storage = newStorage();
  let isWatched = false;
  let calls = 0;
  const random = createRandom(9);
  const onCall = (): undefined => {
    if (!isWatched || calls++ % 5 !== 0) return;
    images.push(storage.sampleCrashImage(random, calls % 2 === 0 ? "worst-case" : "subset"));
  };
  await withStore(
    storage,
    async (store) => {
      await fillAndThin(store, 400);
      Object.assign(expected, await contentOf(store));
      isWatched = true;
      await store.compact();
      isWatched = false;
    },
    { store: SPACIOUS, world: { disk: { onCall } } },
  );
  expect(images.length).toBeGreaterThan(10);
  for (const image of images) {
    await withStore(image, async (store) => {
      expect(await contentOf(store)).toEqual(expected);
      await expectSound(store);
    });
  }
});
