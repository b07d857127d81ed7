import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";

import { openEngine } from "../src/open-store.ts";
import { resolveStoreOptions } from "../src/store-options.ts";
import { SMALL, codeIs, newStorage } from "./fixture.ts";

test("a log that failed in the meantime is noticed before a page is changed", async () => {
  let isBroken = false;
  const world = new InstantWorld(newStorage(), {
    disk: {
      onCall: ({ path, operation }) =>
        isBroken && path.startsWith("store/log") && operation === "writeDurableAt"
          ? { type: "error", code: "DISK_IO" }
          : undefined,
    },
  });
  await world.run(async (environment) => {
    const engine = await openEngine(environment, resolveStoreOptions(SMALL));
    isBroken = true;
    engine.wal.append(4, new Uint8Array(8));
    await expect(engine.wal.sync()).rejects.toThrow(codeIs("WAL_SYNC_FAILED"));

    expect(() => engine.mini.begin("none")).toThrow(codeIs("TXN_POISONED"));

    expect(engine.guard.isMutating).toBe(false);
    expect(engine.guard.isPoisoned).toBe(true);
  });
});
