import { type Trace, sleep } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Store } from "../src/index.ts";
import { contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

/** Pages that are marked as used, in the first bitmap page. */
async function usedPages(store: Store, storage: SimStorage): Promise<number> {
  await expectSound(store);
  await store.checkpoint();
  const bitmap = storage.readFile("store/pages.kvs").subarray(2 * 4096 + 64, 3 * 4096);
  let count = 0;
  for (const byte of bitmap) for (let bit = 0; bit < 8; bit++) count += (byte >>> bit) & 1;
  return count;
}

test("deleted keys and replaced long values give their space back, soon after nobody needs them", async () => {
  const storage = newStorage();
  await withStore(storage, async (store, { clock }) => {
    const empty = await usedPages(store, storage);
    for (let at = 0; at < 60; at++) await store.batch([put(`key ${at}`, "v".repeat(900))]);
    for (let at = 0; at < 10; at++) await store.batch([put("long", `${at}`.repeat(40_000))]);
    await sleep(clock, 2000);
    const full = await usedPages(store, storage);
    expect(full - empty).toBeLessThan(60 / 3 + 2 * 10 + 10);

    const snapshot = store.snapshot();
    await store.batch([del("long"), ...Array.from({ length: 60 }, (_, at) => del(`key ${at}`))]);
    await sleep(clock, 2000);
    expect(await usedPages(store, storage)).toBeGreaterThanOrEqual(full);
    expect(Object.keys(await contentOf(store, { snapshot }))).toHaveLength(61);

    snapshot.close();
    await store.batch([put("other", ""), del("other")]);
    await sleep(clock, 20_000);
    expect(await contentOf(store)).toEqual({});
    expect(await usedPages(store, storage)).toBeLessThanOrEqual(empty + 2);
  });
});

test("a page that cannot be read is nobody's fault, and vacuum goes on elsewhere", async () => {
  let isBroken = false;
  const onCall = ({ operation }: { operation: string }) =>
    isBroken && operation === "readAt" ? ({ type: "error", code: "DISK_IO" } as const) : undefined;
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      for (let at = 0; at < 100; at++) await store.batch([put(`key ${at}`, "v".repeat(900))]);
      for (let at = 0; at < 100; at++) await store.batch([del(`key ${at}`)]);
      isBroken = true;
      await sleep(clock, 3000);
      isBroken = false;

      expect(store.isPoisoned).toBe(false);
      await store.batch([put("key", "value")]);
      expect(await contentOf(store)).toEqual({ key: "value" });
      await expectSound(store);
    },
    { world: { disk: { onCall } } },
  );
});

test("a store that is closed while vacuum waits ends at once", async () => {
  const storage = newStorage();
  await withStore(storage, async (store, { clock }) => {
    for (let at = 0; at < 50; at++) await store.batch([put(`key ${at}`, "v".repeat(900))]);
    await store.batch(Array.from({ length: 50 }, (_, at) => del(`key ${at}`)));
    await store.close();
    await sleep(clock, 1000);
  });
  await withStore(storage, async (store) => {
    expect(await contentOf(store)).toEqual({});
    await expectSound(store);
  });
});

test("on a full disk vacuum asks for log once a second, and goes on when there is some", async () => {
  let isFull = false;
  const onCall = ({ operation }: { operation: string }) =>
    isFull && operation === "allocate"
      ? ({ type: "error", code: "DISK_FULL" } as const)
      : undefined;
  let warnings = 0;
  const trace: Trace = {
    isEnabled: () => true,
    event: (_level, component) => void (warnings += component === "txn.janitor" ? 1 : 0),
  };
  const storage = newStorage();
  await withStore(
    storage,
    async (store, { clock }) => {
      const empty = await usedPages(store, storage);
      const keys = Array.from({ length: 60 }, (_, at) => `key ${at}`);
      await store.batch(keys.map((key) => put(key, "v".repeat(900))));
      await store.batch(keys.map((key) => del(key)));
      isFull = true;
      for (let isRefused = false; !isRefused;) {
        const [result] = await Promise.allSettled([store.batch([put("log", "l".repeat(400))])]);
        isRefused = result.status === "rejected";
      }
      await sleep(clock, 10_000);
      expect(warnings).toBeGreaterThan(4);
      expect(warnings).toBeLessThan(12);
      isFull = false;
      await sleep(clock, 5000);
      expect(await usedPages(store, storage)).toBeLessThanOrEqual(empty + 2);
    },
    { world: { trace, disk: { onCall } } },
  );
});
