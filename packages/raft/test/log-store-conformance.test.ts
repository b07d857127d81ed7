import { test } from "vitest";

import { MemoryLogStore } from "../src/memory-log-store.ts";
import { logStoreConformance } from "../src/conformance/log-store-conformance.ts";
import { type WalLogStore } from "../src/wal/wal-log-store.ts";
import { newStorage, openStore } from "./wal-fixture.ts";

test.each(logStoreConformance())("in memory: $name", async ({ run }) => {
  let store: MemoryLogStore | undefined;
  await run({
    open: (founders) => {
      store ??= new MemoryLogStore(founders);
      return Promise.resolve(store);
    },
    close: () => Promise.resolve(),
  });
});

test.each(logStoreConformance())("on the log: $name", async ({ run }) => {
  const storage = newStorage();
  let store: WalLogStore | undefined;
  await run({
    open: async (founders) => {
      store = await openStore(storage);
      return await store.group(5, founders);
    },
    close: async () => await store?.close(),
  });
});
