import { expect, test } from "vitest";

import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

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
