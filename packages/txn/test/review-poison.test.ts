import { isKvsError, sleep } from "@kvs/env";
import { type DiskCall, type DiskVerdict } from "@kvs/sim";
import { expect, test } from "vitest";

import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

test("a page that cannot be written poisons the store at once, though nobody waited for it", async () => {
  const storage = newStorage();
  let isArmed = false;
  const onCall = ({ operation, path }: DiskCall): DiskVerdict | undefined => {
    if (!isArmed || operation !== "writeAt" || !path.endsWith("pages.kvs")) return undefined;
    return { type: "error", code: "DISK_IO" };
  };
  const told: string[] = [];
  let answered = 0;
  await withStore(
    storage,
    async (store, { clock }) => {
      isArmed = true;
      for (let row = 0; row < 40 && told.length === 0; row++) {
        const [result] = await Promise.allSettled([
          store.batch([put(`row ${row}`, "r".repeat(900))]),
        ]);
        await sleep(clock, 1);
        if (result.status === "fulfilled") answered++;
        else if (isKvsError(result.reason)) told.push(result.reason.code);
        if (told.length > 0) expect(store.isPoisoned).toBe(true);
      }
      expect(told).toEqual(["TXN_POISONED"]);
    },
    { world: { disk: { onCall } }, isDamaged: true },
  );
  expect(answered).toBeGreaterThan(3);
  await withStore(storage, async (store) => {
    expect(Object.keys(await contentOf(store)).length).toBeGreaterThanOrEqual(answered);
    await expectSound(store);
  });
});
