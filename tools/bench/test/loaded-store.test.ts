import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type EmbeddedStore, type Pair } from "../src/stores/embedded-store.ts";
import { LOAD_BATCH, batchesOf, load, openLoaded, settle } from "../src/stores/loaded-store.ts";
import { keyTextOf, randomValues } from "../src/stores/sample-pairs.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvs-bench-loaded-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Notes what is written, and how many transactions are open at once. */
function recorder(): EmbeddedStore & { readonly written: Pair[]; openMost: number } {
  let open = 0;
  const store = {
    syncsEachWrite: false,
    written: [] as Pair[],
    openMost: 0,
    getEach: () => 0,
    put: async () => undefined,
    putAll: async (pairs: readonly Pair[]) => {
      store.openMost = Math.max(store.openMost, ++open);
      store.written.push(...pairs);
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      open--;
    },
    scan: async () => 0,
    close: async () => undefined,
  };
  return store;
}

test("a load writes every pair once, in order, a bounded number of transactions at a time", async () => {
  const store = recorder();
  const values = randomValues(10);

  await load(store, batchesOf(40 * LOAD_BATCH + 7, values));

  const keys = store.written.map(({ key }) => new TextDecoder().decode(key));
  expect(keys).toEqual(Array.from({ length: 40 * LOAD_BATCH + 7 }, (_, at) => keyTextOf(at)));
  expect(store.openMost).toBe(16);
});

test("a failed write fails the load", async () => {
  const store = { ...recorder(), putAll: () => Promise.reject(new Error("no space")) };

  await expect(load(store, batchesOf(10_000, randomValues(10)))).rejects.toThrow("no space");
});

test("a store is loaded by whoever opens it first", async () => {
  const values = randomValues(10);
  const shape = { name: "it", count: 100, values };
  const first = recorder();
  const second = recorder();

  await openLoaded(async () => first, folder, shape);
  await openLoaded(async () => second, folder, shape);

  expect([first.written.length, second.written.length]).toEqual([100, 0]);
});

test("settling rewrites every 16th pair", async () => {
  const store = recorder();

  await settle(store, 50_000, randomValues(10));

  const keys = store.written.map(({ key }) => new TextDecoder().decode(key));
  expect(keys).toEqual(Array.from({ length: 3125 }, (_, at) => keyTextOf(16 * at)));
});
