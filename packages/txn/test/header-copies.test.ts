import { expect, test } from "vitest";

import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

const HEADER_BYTES = 4096;

// REL-W4
test("a store opens with either copy of its header damaged, closed or not", async () => {
  for (const closes of [true, false]) {
    for (const copy of [0, 1]) {
      for (const at of [0, 9, 70, 100, 150]) {
        const storage = newStorage();
        await withStore(storage, async (store) => {
          for (let row = 0; row < 300; row++)
            await store.batch([put(`row ${row}`, "v".repeat(200))]);
          await store.checkpoint();
          await store.batch([put("last", "v")]);
          if (closes) await store.close();
        });
        storage.flipBit("store/pages.kvs", 8 * (copy * HEADER_BYTES + at) + 4);
        await withStore(storage, async (store) => {
          expect(Object.keys(await contentOf(store))).toHaveLength(301);
          await expectSound(store);
        });
      }
    }
  }
});
