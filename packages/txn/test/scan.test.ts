import { type Random, createRandom, pick } from "@kvs/env";
import { expect, test } from "vitest";

import { type EntryBatch, type ScanOptions, type Snapshot, type Store } from "../src/index.ts";
import { bytes, codeIs, del, newStorage, put, text, withStore } from "./fixture.ts";

async function keysOf(store: Store, options: ScanOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.scan(options)) keys.push(text(key));
  return keys;
}

/** What a scan of sorted keys with text bounds has to give. */
function within(
  keys: readonly string[],
  bounds: Readonly<Record<string, string>>,
  isReverse: boolean,
): string[] {
  const { gt, gte, lt, lte } = bounds;
  const found = keys.filter(
    (key) =>
      (gt === undefined || key > gt) &&
      (gte === undefined || key >= gte) &&
      (lt === undefined || key < lt) &&
      (lte === undefined || key <= lte),
  );
  return isReverse ? found.toReversed() : found;
}

test("every combination of bounds, in both directions, with and without a limit", async () => {
  const random = createRandom(4);
  await withStore(newStorage(), async (store) => {
    const keys: string[] = ["", "a", "a\u0000", "a\u00ff", "b"];
    for (let at = 0; at < 150; at++) keys.push(`key ${String(at * 3).padStart(4, "0")}`);
    keys.sort();
    for (const key of keys) await store.batch([put(key, `value of ${key}`.repeat(9))]);

    const edges = [...keys, "key", "key 0001", "key 9", "\u00ff", "zz", "a\u0000\u0000"];
    for (let round = 0; round < 400; round++) {
      const bounds: Record<string, string> = {};
      for (const name of ["gt", "gte", "lt", "lte"]) {
        if (random.chance(0.5)) bounds[name] = pick(random, edges);
      }
      const reverse = random.chance(0.5);
      const limit = random.chance(0.3) ? random.below(12) : undefined;
      const options: Record<string, unknown> = { reverse };
      if (limit !== undefined) options["limit"] = limit;
      for (const [name, bound] of Object.entries(bounds)) options[name] = bytes(bound);

      const expected = within(keys, bounds, reverse).slice(0, limit);
      expect(await keysOf(store, options), JSON.stringify({ bounds, reverse, limit })).toEqual(
        expected,
      );
    }
  });
});

test("a scan sees the moment of its first entry, whatever is written while it goes on", async () => {
  await withStore(newStorage(), async (store) => {
    for (let at = 0; at < 60; at++) await store.batch([put(`key ${at + 10}`, "old ".repeat(200))]);
    for (const reverse of [false, true]) {
      const scan = store.scan({ reverse });
      const seen = [(await scan.next()).value!];
      await store.batch([put("key 05", "new"), put("key 99", "new"), del("key 30")]);
      await store.batch([put("key 40", "new")]);
      for await (const entry of scan) seen.push(entry);

      expect(seen).toHaveLength(60);
      expect(seen.every(({ value }) => text(value).startsWith("old"))).toBe(true);
      await store.batch([del("key 05"), del("key 99"), put("key 30", "old ".repeat(200))]);
      await store.batch([put("key 40", "old ".repeat(200))]);
    }
  });
});

test("deleted keys, old versions and long values, in both directions", async () => {
  await withStore(newStorage(), async (store) => {
    const snapshot = store.snapshot();
    for (let round = 0; round < 4; round++) {
      for (let at = 0; at < 20; at++) {
        const value = at % 5 === 0 ? "long ".repeat(2000 + round) : `${round}`;
        await store.batch([at % 3 === round % 3 ? del(`key ${at}`) : put(`key ${at}`, value)]);
      }
    }
    const expected = new Map<string, number>();
    for (let at = 0; at < 20; at++) {
      if (at % 3 !== 0) expected.set(`key ${at}`, at % 5 === 0 ? 5 * 2003 : 1);
    }

    for (const reverse of [false, true]) {
      const found = new Map<string, number>();
      for await (const { key, value } of store.scan({ reverse }))
        found.set(text(key), value.length);
      expect(found).toEqual(new Map([...found].map(([key]) => [key, expected.get(key)])));
      expect(found.size).toBe(expected.size);
      expect(await keysOf(store, { reverse, snapshot })).toEqual([]);
    }
    snapshot.close();
  });
});

test("a scan of many entries, or of many bytes, goes in steps", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      const many = Array.from({ length: 1500 }, (_, at) => put(`key ${1000 + at}`, ""));
      await store.batch(many);
      expect(await keysOf(store, {})).toHaveLength(1500);
      expect(await keysOf(store, { reverse: true, limit: 700 })).toHaveLength(700);
      expect(await keysOf(store, { limit: 0 })).toEqual([]);

      for (let at = 0; at < 4; at++) await store.batch([put(`long ${at}`, "x".repeat(600_000))]);
      expect(await keysOf(store, { gte: bytes("long") })).toHaveLength(4);
    },
    { store: { memoryBytes: 64 * 4096, segmentBytes: 1 << 20 } },
  );
});

test("a scan that is left lets its view go, and bounds have the length of keys", async () => {
  await withStore(newStorage(), async (store) => {
    await store.batch([put("a", "1"), put("b", "2")]);
    for await (const { key } of store.scan()) {
      expect(text(key)).toBe("a");
      expect(store.stats().openSnapshots).toBe(1);
      break;
    }
    expect(store.stats().openSnapshots).toBe(0);
    const tooLong = new Uint8Array(2000);
    await expect(keysOf(store, { lt: tooLong })).rejects.toThrow(codeIs("TXN_KEY_TOO_LARGE"));
  });
});

/** A snapshot, and what it has to show. */
interface View {
  readonly snapshot: Snapshot;
  readonly entries: readonly (readonly [key: string, value: string])[];
}

/** Writes at random, and takes snapshots in between. */
async function writeAndView(
  store: Store,
  keys: readonly string[],
  random: Random,
): Promise<View[]> {
  const now = new Map<string, string>();
  const views: View[] = [];
  for (let round = 0; round < 300; round++) {
    const key = pick(random, keys);
    const value = `${key} ${round} `.repeat(random.chance(0.1) ? 200 : 1 + random.below(30));
    const isDelete = random.chance(0.25);
    if (isDelete) now.delete(key);
    else now.set(key, value);
    await store.batch([isDelete ? del(key) : put(key, value)]);
    if (!random.chance(0.04)) continue;
    const entries = [...now].toSorted(([a], [b]) => (a < b ? -1 : 1));
    views.push({ snapshot: store.snapshot(), entries });
  }
  return views;
}

/** Reads a part of the view from one of the keys on, and compares. */
async function compare(
  store: Store,
  view: View,
  { from, limit, reverse }: ScanShape,
): Promise<void> {
  const isIn = (key: string): boolean => (reverse ? key <= from : key >= from);
  const inOrder = reverse ? view.entries.toReversed() : view.entries;
  const expected = inOrder.filter(([key]) => isIn(key)).slice(0, limit);
  const found: [string, string][] = [];
  const bound = { [reverse ? "lte" : "gte"]: bytes(from) };
  const { snapshot } = view;
  for await (const batch of store.scanBatches({ snapshot, reverse, limit, ...bound })) {
    for (let at = 0; at < batch.count; at++)
      found.push([text(batch.key(at)), text(batch.value(at))]);
  }
  expect(found).toEqual(expected);
}

interface ScanShape {
  readonly from: string;
  readonly limit: number;
  readonly reverse: boolean;
}

test("batches of entries agree with a model of all versions, at every snapshot, in both directions", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    const random = createRandom(seed);
    const keys = Array.from({ length: 1 + random.below(60) }, (_, at) => `key ${at}`).toSorted();
    await withStore(newStorage(seed), async (store) => {
      for (const view of await writeAndView(store, keys, random)) {
        for (const reverse of [false, true]) {
          const limit = random.chance(0.5) ? random.below(keys.length) : keys.length + 1;
          await compare(store, view, { from: pick(random, keys), limit, reverse });
        }
        view.snapshot.close();
      }
    });
  }
});

test("what a batch holds stays as it is, whatever is read or written after it", async () => {
  await withStore(newStorage(), async (store) => {
    for (let at = 0; at < 2000; at++) {
      await store.batch([put(`key ${String(at).padStart(4, "0")}`, `value ${at}`)]);
    }
    const batches: EntryBatch[] = [];
    for await (const batch of store.scanBatches()) batches.push(batch);
    for (let at = 0; at < 2000; at += 3) {
      await store.batch([put(`key ${String(at).padStart(4, "0")}`, "other")]);
    }

    const values = batches.flatMap((batch) =>
      Array.from({ length: batch.count }, (_, at) => text(batch.value(at))),
    );
    expect(values).toEqual(Array.from({ length: 2000 }, (_, at) => `value ${at}`));
    expect(() => batches[0]!.key(batches[0]!.count)).toThrow(/below its count/u);
    expect(batches[0]!.version(1)).toBeGreaterThan(batches[0]!.version(0));
  });
});
