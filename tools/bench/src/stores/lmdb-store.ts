import { open } from "lmdb";
import { type EmbeddedStore } from "./embedded-store.ts";

/**
 * LMDB through its package for Node, keys and values as bytes: its fastest encoding. A write is
 * durable once `flushed` resolves. Its cache is the kernel's.
 */
export async function openLmdb(folder: string): Promise<EmbeddedStore> {
  const store = open<Uint8Array, Uint8Array>({
    path: `${folder}/lmdb`,
    encoding: "binary",
    keyEncoding: "binary",
  });
  return {
    syncsEachWrite: false,
    getEach: (keys) => {
      let found = 0;
      for (const key of keys) if (store.get(key) !== undefined) found++;
      return found;
    },
    viewEach: (keys) => {
      let found = 0;
      for (const key of keys) if (store.getBinaryFast(key)?.[0] !== undefined) found++;
      return found;
    },
    put: (key, value) => {
      void store.put(key, value);
      return store.flushed;
    },
    putAll: (pairs) => {
      for (const { key, value } of pairs) void store.put(key, value);
      return store.flushed;
    },
    scan: async (from, count) => {
      let found = 0;
      for (const { value } of store.getRange({ start: from, limit: count })) {
        if (value.length > 0) found++;
      }
      return found;
    },
    close: () => store.close(),
  };
}
