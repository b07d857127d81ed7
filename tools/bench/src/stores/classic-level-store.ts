import { ClassicLevel } from "classic-level";
import { CACHE_BYTES, type EmbeddedStore, type Pair } from "./embedded-store.ts";

/** Entries that its iterator fetches at a time: it has no default for reading all. */
const SCAN_ENTRIES = 1000;

/** LevelDB through its package for Node; `sync` makes writes durable. */
export async function openClassicLevel(folder: string): Promise<EmbeddedStore> {
  const store = new ClassicLevel<Uint8Array, Uint8Array>(`${folder}/classic-level`, {
    keyEncoding: "view",
    valueEncoding: "view",
    cacheSize: CACHE_BYTES,
  });
  await store.open();
  return {
    syncsEachWrite: false,
    getEach: (keys) => {
      let found = 0;
      for (const key of keys) if (store.getSync(key) !== undefined) found++;
      return found;
    },
    put: (key, value) => store.put(key, value, { sync: true }),
    putAll: (pairs) => store.batch(pairs.map(toOperation), { sync: true }),
    scan: async (from, count) => {
      const iterator = store.iterator({ gte: from, limit: count });
      let found = 0;
      for (;;) {
        const entries = await iterator.nextv(SCAN_ENTRIES);
        if (entries.length === 0) break;
        for (const [, value] of entries) if (value.length > 0) found++;
      }
      await iterator.close();
      return found;
    },
    close: () => store.close(),
  };
}

function toOperation({ key, value }: Pair): { type: "put"; key: Uint8Array; value: Uint8Array } {
  return { type: "put", key, value };
}
