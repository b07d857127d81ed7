import { sleep } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { bytes, contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

function filePages(storage: SimStorage): number {
  return storage.readFile("store/pages.kvs").length / 4096;
}

test("pages at the end of the file go back to the file system after a checkpoint", async () => {
  const storage = newStorage();
  await withStore(storage, async (store, { clock }) => {
    await store.batch([put("first", "1")]);
    const empty = filePages(storage);
    for (let at = 0; at < 20; at++) await store.batch([put(`long ${at}`, "l".repeat(60_000))]);
    await store.checkpoint();
    const full = filePages(storage);
    expect(full).toBeGreaterThan(300);
    await store.batch(Array.from({ length: 20 }, (_, at) => del(`long ${at}`)));
    await sleep(clock, 5000); // the janitor's
    await store.checkpoint();
    await store.checkpoint();
    expect(filePages(storage)).toBeLessThan(empty + 60);
    expect(store.stats().pageCount).toBe(filePages(storage));
    await store.batch([put("again", "a".repeat(60_000))]);
    await expectSound(store);
  });
});

test("a crash at any call while the file gets shorter loses nothing", async () => {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatched = false;
  const onCall = (): undefined => {
    if (isWatched) images.push(storage.worstCase());
  };
  await withStore(
    storage,
    async (store, { clock }) => {
      await store.batch([put("kept", "k".repeat(20_000))]);
      for (let at = 0; at < 8; at++) await store.batch([put(`long ${at}`, "l".repeat(60_000))]);
      await store.checkpoint();
      await store.batch(Array.from({ length: 8 }, (_, at) => del(`long ${at}`)));
      await sleep(clock, 5000);
      isWatched = true;
      await store.checkpoint();
      await store.batch([put("new", "n".repeat(40_000))]);
      await store.checkpoint();
      isWatched = false;
      expect(filePages(storage)).toBeLessThan(100);
    },
    { world: { disk: { onCall } } },
  );
  expect(images.length).toBeGreaterThan(10);
  for (const image of images) {
    await withStore(image, async (store) => {
      const { new: added, ...rest } = await contentOf(store);
      expect(rest).toEqual({ kept: "k".repeat(20_000) });
      expect([undefined, 40_000]).toContain(added?.length);
      await store.batch([put("more", "m".repeat(30_000))]);
      expect((await store.get(bytes("more")))?.length).toBe(30_000);
      await expectSound(store);
    });
  }
}, 240_000);
