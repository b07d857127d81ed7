import { expect, test } from "vitest";

import { codeIs, contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

test("a record that changes one page several times is redone whole", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    // From the second on, each put removes the version before the last, in the same record.
    for (let at = 0; at < 5; at++) await store.batch([put("key", `value ${at}`)]);
  });

  await withStore(storage.worstCase(), async (store) => {
    expect(await contentOf(store)).toEqual({ key: "value 4" });
    await expectSound(store);
  });
});

test("a page file that is shorter than its log says is refused", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 40; at++) await store.batch([put(`key ${at}`, "x".repeat(900))]);
  });

  for (const pages of [3, 4, 6, 10]) {
    const cut = storage.worstCase();
    cut.truncateFile("store/pages.kvs", pages * 4096);

    const opened = withStore(cut, (store) => contentOf(store));

    await expect(opened).rejects.toThrow(codeIs("TXN_DAMAGED_STORE"));
  }
});
