import { type Environment } from "@kvs/env";
import { expect, test } from "vitest";

import { bytes, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

/** Lets the janitor come round: virtual time is free. */
function pause(environment: Environment, ms: number): Promise<void> {
  return new Promise((resolve) => {
    environment.clock.schedule(ms, resolve);
  });
}

test("a deleted value that lies in many pieces stays deleted while its space comes back", async () => {
  const storage = newStorage();
  await withStore(
    storage,
    async (store, environment) => {
      for (let at = 0; at < 1000; at++) {
        await store.batch([put(`piece ${String(at).padStart(4, "0")}`, "p".repeat(3000))]);
      }
      for (let at = 0; at < 1000; at += 2) {
        await store.batch([del(`piece ${String(at).padStart(4, "0")}`)]);
      }
      await pause(environment, 60_000);
      await store.batch([put("long", "l".repeat(400 * 4000))]);
      await store.batch([del("long")]);
      await pause(environment, 60_000);
      expect(await store.get(bytes("long"))).toBeUndefined();
      await expectSound(store);
      await store.checkpoint();
    },
    { store: { segmentBytes: 1 << 20 } },
  );
  await withStore(storage, async (store) => {
    expect(await store.get(bytes("long"))).toBeUndefined();
    await expectSound(store);
  });
});
