import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";

import { type Mutation, type Store, type StoreOptions } from "../src/index.ts";
import { bytes, contentOf, del, newStorage, put, withStore } from "./fixture.ts";
import { SEALED } from "./sealed-fixture.ts";

/** A way of doing the same: what must make no difference to any answer. */
interface Way {
  readonly name: string;
  readonly store?: Partial<StoreOptions>;
  /** Rare branches that are taken. */
  readonly branches?: readonly string[];
  /** How the first rows come in. */
  readonly fills: "load" | "batches" | "puts";
  /** Mutations of a batch after that; they are the same in the same order. */
  readonly batchSize: number;
  /** Whether a batch is asked for before the one before is answered. */
  readonly overlaps: boolean;
  readonly checkpoints: boolean;
}

const LARGE = { memoryBytes: 4 << 20, segmentBytes: 1 << 20 };
const PLAIN = { fills: "batches", batchSize: 50, overlaps: false, checkpoints: false } as const;

const WAYS: readonly Way[] = [
  { ...PLAIN, name: "one put at a time", fills: "puts", batchSize: 1 },
  { ...PLAIN, name: "puts that share groups", batchSize: 1, overlaps: true },
  { ...PLAIN, name: "small groups", overlaps: true, branches: ["wal.small-groups"] },
  { ...PLAIN, name: "loaded", fills: "load" },
  { ...PLAIN, name: "loaded, all in memory", fills: "load", store: LARGE, checkpoints: true },
  { ...PLAIN, name: "large batches", batchSize: 400, store: LARGE },
  { ...PLAIN, name: "four frames", store: { memoryBytes: 4 * 4096 } },
  { ...PLAIN, name: "sealed", store: { ...SEALED } },
  { ...PLAIN, name: "compressed", store: { compression: { values: true, log: true } } },
  {
    ...PLAIN,
    name: "sealed, compressed, loaded",
    fills: "load",
    batchSize: 1,
    overlaps: true,
    store: { ...LARGE, ...SEALED, compression: { values: true, log: true } },
  },
];

/** Rows to begin with, and changes that follow, some of them of long values and many of one key. */
function workload(seed: number): { rows: Mutation[]; changes: Mutation[] } {
  const random = createRandom(seed);
  const key = (): string => `key ${String(random.below(300)).padStart(4, "0")}`;
  const value = (at: number): string => `${at} `.repeat(random.chance(0.05) ? 1500 : 1 + (at % 40));
  const rows = Array.from({ length: 300 }, (_, at) =>
    put(`key ${String(at).padStart(4, "0")}`, value(at)),
  );
  const changes = Array.from({ length: 800 }, (_, at) =>
    random.chance(0.2) ? del(key()) : put(key(), value(at)),
  );
  return { rows, changes };
}

async function fill(store: Store, rows: readonly Mutation[], way: Way): Promise<void> {
  if (way.fills === "load") {
    await store.load(rows.flatMap((row) => (row.type === "put" ? [row] : [])));
  } else if (way.fills === "puts") {
    for (const row of rows) await store.batch([row]);
  } else await store.batch(rows);
}

async function change(store: Store, changes: readonly Mutation[], way: Way): Promise<void> {
  let underWay: Promise<unknown>[] = [];
  for (let at = 0; at < changes.length; at += way.batchSize) {
    const answered = store.batch(changes.slice(at, at + way.batchSize));
    if (!way.overlaps) await answered;
    else underWay.push(answered);
    if (underWay.length === 64) {
      await Promise.all(underWay);
      underWay = [];
    }
    if (way.checkpoints && at % 200 === 0) await store.checkpoint();
  }
  await Promise.all(underWay);
}

/** All that can be asked: every key by itself, ranges in both directions, an earlier state. */
async function answers(store: Store): Promise<unknown> {
  const single: (string | undefined)[] = [];
  for (let at = 0; at < 310; at++) {
    const key = bytes(`key ${String(at).padStart(4, "0")}`);
    const found = await store.get(key);
    expect(store.getSync(key)).toEqual(found);
    single.push(found === undefined ? undefined : String.fromCharCode(...found));
  }
  const backwards = Object.entries(await contentOf(store, { reverse: true }));
  return { single, all: await contentOf(store), backwards };
}

async function answersOf(way: Way, seed: number): Promise<unknown> {
  const storage = newStorage(seed);
  const { rows, changes } = workload(seed);
  const world = { hooks: { buggify: (site: string) => way.branches?.includes(site) ?? false } };
  const setting = { ...(way.store === undefined ? {} : { store: way.store }), world };
  const first = await withStore(
    storage,
    async (store) => {
      await fill(store, rows, way);
      const view = store.snapshot();
      await change(store, changes, way);
      const before = await contentOf(store, { snapshot: view });
      view.close();
      return { before, now: await answers(store) };
    },
    setting,
  );
  // The process was killed: everything was answered, so everything is there.
  const recovered = await withStore(storage, answers, setting);
  expect(recovered, way.name).toEqual(first.now);
  return first;
}

test("the same operations give the same answers, however they are done and stored", async () => {
  for (const seed of [1, 2, 3]) {
    const expected = await answersOf(WAYS[0]!, seed);
    for (const way of WAYS.slice(1)) {
      expect(await answersOf(way, seed), `${way.name}, seed ${seed}`).toEqual(expected);
    }
  }
}, 120_000);
