import { createNodeEnvironment } from "@kvs/node";
import { Store, type StoreOptions } from "@kvs/txn";
import { CACHE_BYTES, type EmbeddedStore, type Pair } from "./embedded-store.ts";

/** Ours. */
export function openKvs(folder: string): Promise<EmbeddedStore> {
  return openKvsWith(folder, { memoryBytes: CACHE_BYTES });
}

/** Ours, with other options. */
export async function openKvsWith(
  folder: string,
  options: Omit<StoreOptions, "path">,
): Promise<EmbeddedStore> {
  const environment = createNodeEnvironment({ root: folder });
  return toEmbedded(await Store.open(environment, { path: "kvs", ...options }));
}

/** A store of ours as the benchmarks call it. */
export function toEmbedded(store: Store): EmbeddedStore {
  return {
    syncsEachWrite: false,
    getEach: (keys) => {
      let found = 0;
      for (const key of keys) if (store.getSync(key) !== undefined) found++;
      return found;
    },
    viewEach: (keys) => {
      let found = 0;
      for (const key of keys) if (store.getView(key)?.[0] !== undefined) found++;
      return found;
    },
    put: (key, value) => store.batch([{ type: "put", key, value }]),
    putAll: (pairs) => store.batch(pairs.map(toMutation)),
    scan: async (from, count) => {
      let found = 0;
      for await (const batch of store.scanBatches({ gte: from, limit: count })) {
        for (let at = 0; at < batch.count; at++) {
          if (batch.key(at).length > 0 && batch.value(at).length > 0) found++;
        }
      }
      return found;
    },
    fill: (pairs) => store.load(pairs),
    compact: () => store.compact(),
    checkpoint: () => store.checkpoint(),
    checkpointCount: () => store.stats().checkpointCount,
    close: () => store.close(),
  };
}

function toMutation({ key, value }: Pair): { type: "put"; key: Uint8Array; value: Uint8Array } {
  return { type: "put", key, value };
}
