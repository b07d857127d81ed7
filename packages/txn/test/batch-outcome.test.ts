import { isKvsError } from "@kvs/env";
import { expect, test } from "vitest";

import { contentOf, newStorage, put, withStore } from "./fixture.ts";

test("a batch whose page cannot be read has no effect, and says so", async () => {
  let isBroken = false;
  const onCall = ({
    operation,
  }: {
    operation: string;
  }): { type: "error"; code: "DISK_IO" } | undefined =>
    isBroken && operation === "readAt" ? { type: "error", code: "DISK_IO" } : undefined;
  await withStore(
    newStorage(),
    async (store) => {
      for (let at = 0; at < 100; at++) await store.batch([put(`key ${at}`, "x".repeat(900))]);
      const before = await contentOf(store);
      isBroken = true;
      const failed: unknown = await store.batch([put("key 0", "new")]).catch((error) => error);
      isBroken = false;

      expect(isKvsError(failed, "DISK_IO")).toBe(true);
      expect(failed).toMatchObject({ outcome: "none" });
      expect(await contentOf(store)).toEqual(before);
    },
    { world: { disk: { onCall } } },
  );
});
