import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedStore, type OpenStore, type Pair } from "./embedded-store.ts";
import { pairsFrom } from "./sample-pairs.ts";

/** Pairs of one transaction of a load. */
export const LOAD_BATCH = 1000;
/** Transactions that a load has under way at once, where the store can have more than one. */
const LOAD_IN_FLIGHT = 16;

/**
 * Opens the store of this name in `folder` and fills it with `count` sorted pairs, unless an earlier
 * measure of the same run did.
 */
export async function openLoaded(
  open: OpenStore,
  folder: string,
  { name, count, values }: { name: string; count: number; values: readonly Uint8Array[] },
): Promise<EmbeddedStore> {
  const path = join(folder, `${name}-${count}`);
  const isLoaded = existsSync(path);
  mkdirSync(path, { recursive: true });
  const store = await open(path);
  if (!isLoaded) await fill(store, count, values);
  return store;
}

/** Fills an empty store with sorted pairs, in the fastest way it has. */
export async function fill(
  store: EmbeddedStore,
  count: number,
  values: readonly Uint8Array[],
): Promise<void> {
  if (store.fill === undefined) return load(store, batchesOf(count, values));
  await store.fill(pairsOf(count, values));
}

function* pairsOf(count: number, values: readonly Uint8Array[]): Generator<Pair> {
  for (const batch of batchesOf(count, values)) yield* batch;
}

/** Writes batches, some at a time; all is durable when this resolves. */
export async function load(
  store: EmbeddedStore,
  batches: Iterable<readonly Pair[]>,
): Promise<void> {
  const underWay = new Set<Promise<unknown>>();
  for (const batch of batches) {
    const written: Promise<unknown> = store.putAll(batch).then(() => underWay.delete(written));
    underWay.add(written);
    if (underWay.size >= LOAD_IN_FLIGHT) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

/**
 * Rewrites every 16th pair, so that single writes are measured in the state in which a store is most
 * of the time: after a checkpoint, the first change of a page costs ours an image of the page.
 */
export async function settle(
  store: EmbeddedStore,
  count: number,
  values: readonly Uint8Array[],
): Promise<void> {
  await load(store, batchesOf(count, values, SETTLE_STEP));
}

/** Several pairs of each page are among those rewritten. */
const SETTLE_STEP = 16;

/** Every pair whose number is a multiple of `step`, sorted, `LOAD_BATCH` at a time. */
export function* batchesOf(
  count: number,
  values: readonly Uint8Array[],
  step = 1,
): Generator<Pair[]> {
  for (let from = 0; from < count; from += LOAD_BATCH * step) {
    yield pairsFrom(from, Math.min(LOAD_BATCH, Math.ceil((count - from) / step)), values, step);
  }
}
