import { sleep } from "@kvs/env";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import { contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

/** Pages in use. */
function usedPages(store: Store): number {
  const { pageCount, freePages } = store.stats();
  return pageCount - freePages;
}

// REL-P11
test("under a long snapshot what it sees stays the same, what nobody sees goes, and space stays bounded", async () => {
  await withStore(newStorage(), async (store, { clock }) => {
    for (let at = 0; at < 30; at++) await store.batch([put(`row ${at}`, `old ${"o".repeat(300)}`)]);
    const snapshot = store.snapshot();
    const seen = await contentOf(store, { snapshot });
    let highest = 0;
    for (let round = 0; round < 40; round++) {
      for (let at = 0; at < 30; at += 3) {
        const row = at + (round % 3);
        await store.batch([
          round % 5 === 4 ? del(`row ${row}`) : put(`row ${row}`, `${round} ${"n".repeat(300)}`),
        ]);
      }
      await sleep(clock, 500);
      if (round === 10) highest = usedPages(store);
      if (round % 10 === 0) expect(await contentOf(store, { snapshot })).toEqual(seen);
    }
    // What the snapshot keeps, the newest versions, and those that no write came by to prune.
    expect(usedPages(store)).toBeLessThanOrEqual(2 * highest);
    expect(await contentOf(store, { snapshot })).toEqual(seen);
    snapshot.close();
    await store.batch(Array.from({ length: 30 }, (_, at): Mutation => del(`row ${at}`)));
    await sleep(clock, 20_000);
    expect(usedPages(store)).toBeLessThan(highest / 2);
    await expectSound(store);
  });
});

// REL-P11
test("long values that are replaced again and again under a long snapshot give their pages back", async () => {
  await withStore(newStorage(), async (store, { clock }) => {
    await store.batch([put("long", "o".repeat(40_000))]);
    const snapshot = store.snapshot();
    for (let round = 0; round < 60; round++) {
      await store.batch([put("long", `${round % 10}`.repeat(40_000))]);
      await sleep(clock, 200);
    }
    expect(usedPages(store)).toBeLessThan(70); // of 60 x 10 that were written
    expect((await contentOf(store, { snapshot }))["long"]).toBe("o".repeat(40_000));
    snapshot.close();
    await store.batch([del("long")]);
    await sleep(clock, 5000);
    expect(usedPages(store)).toBeLessThan(12);
    expect(await contentOf(store)).toEqual({});
    await expectSound(store);
  });
});
