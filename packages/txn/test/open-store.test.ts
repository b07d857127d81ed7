import { isKvsError } from "@kvs/env";
import { type DiskCall } from "@kvs/sim";
import { expect, test } from "vitest";

import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

/** Fails the call of this number with an error of the disk, once. */
function failing(
  index: number,
): (call: DiskCall) => { type: "error"; code: "DISK_IO" } | undefined {
  return (call) => (call.index === index ? { type: "error", code: "DISK_IO" } : undefined);
}

test("making a store may fail at any disk call; the next open makes or recovers it", async () => {
  let calls = 0;
  const onCall = (): undefined => void calls++;
  await withStore(newStorage(), () => Promise.resolve(), { world: { disk: { onCall } } });

  let failures = 0;
  for (let index = 0; index < calls; index++) {
    const storage = newStorage();
    const world = { disk: { onCall: failing(index) } };
    try {
      await withStore(storage, () => Promise.resolve(), { world });
    } catch (error) {
      expect(isKvsError(error), String(error)).toBe(true);
      failures++;
    }
    await withStore(storage, async (store) => {
      await store.batch([put("key", "value")]);
      expect(await contentOf(store)).toEqual({ key: "value" });
      await expectSound(store);
    });
  }
  expect(failures).toBeGreaterThan(10);
});
