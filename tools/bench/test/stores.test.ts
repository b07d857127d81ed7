import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openClassicLevel } from "../src/stores/classic-level-store.ts";
import { type OpenStore } from "../src/stores/embedded-store.ts";
import { openKvs } from "../src/stores/kvs-store.ts";
import { openLmdb } from "../src/stores/lmdb-store.ts";
import { fill } from "../src/stores/loaded-store.ts";
import { keyOf, pairsFrom, randomValues } from "../src/stores/sample-pairs.ts";
import { openSqlite } from "../src/stores/sqlite-store.ts";

const STORES: readonly (readonly [string, OpenStore])[] = [
  ["kvs", openKvs],
  ["lmdb", openLmdb],
  ["classic-level", openClassicLevel],
  ["sqlite", openSqlite],
];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvs-bench-stores-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each(STORES)("%s does what is measured: writes, reads, scans, keeps", async (_, open) => {
  const values = randomValues(100);
  let store = await open(folder);
  await store.putAll(pairsFrom(0, 500, values));
  await store.put(keyOf(500), values[0]!);

  await store.close();
  store = await open(folder);

  expect(store.getEach([keyOf(0), keyOf(499), keyOf(500), keyOf(501)])).toBe(3);
  expect(await store.scan(keyOf(450), 20)).toBe(20);
  expect(await store.scan(keyOf(491), 20)).toBe(10);
  await store.close();
});

test("stores that can be filled, looked into and compacted keep every pair", async () => {
  for (const [name, open] of STORES) {
    const path = join(folder, name);
    mkdirSync(path);
    const store = await open(path);
    await fill(store, 3000, randomValues(100));
    await store.compact?.();

    expect(await store.scan(keyOf(0), 4000)).toBe(3000);
    expect(store.viewEach?.([keyOf(7), keyOf(3000)]) ?? 1).toBe(1);
    await store.close();
  }
});
