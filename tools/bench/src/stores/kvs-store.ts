import { createNodeEnvironment } from "@kvs/node";
import { Store } from "@kvs/txn";
import { CACHE_BYTES, type EmbeddedStore, type Pair } from "./embedded-store.ts";

/** Ours. */
export async function openKvs(folder: string): Promise<EmbeddedStore> {
  const environment = createNodeEnvironment({ root: folder });
  const store = await Store.open(environment, { path: "kvs", memoryBytes: CACHE_BYTES });
  return {
    syncsEachWrite: false,
    getEach: (keys) => {
      let found = 0;
      for (const key of keys) if (store.getSync(key) !== undefined) found++;
      return found;
    },
    put: (key, value) => store.batch([{ type: "put", key, value }]),
    putAll: (pairs) => store.batch(pairs.map(toMutation)),
    scan: async (from, count) => {
      let found = 0;
      for await (const { value } of store.scan({ gte: from, limit: count })) {
        if (value.length > 0) found++;
      }
      return found;
    },
    close: () => store.close(),
  };
}

function toMutation({ key, value }: Pair): { type: "put"; key: Uint8Array; value: Uint8Array } {
  return { type: "put", key, value };
}
