import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { createRandom, shuffle } from "@kvs/env";
import { type OpenStore, type Pair } from "../stores/embedded-store.ts";
import { openKvs } from "../stores/kvs-store.ts";
import { LOAD_BATCH, load } from "../stores/loaded-store.ts";
import { keyOf, randomValues } from "../stores/sample-pairs.ts";
import { type Contender, type Measure } from "../suite.ts";
import { PEERS } from "./store-measure.ts";

const KEYS = 1_000_000;
const VALUE_BYTES = 100;
/** What `st_blocks` counts in: stat(2). */
const STAT_BLOCK_BYTES = 512;

/** Disk that a store takes after its keys came in random order, and a compaction, if it has one. */
export function space(peers: readonly string[]): Measure {
  return {
    id: "embedded.space",
    unit: "MB",
    better: "less",
    samples: 1,
    ...contender(openKvs),
    peers: peers.map((name) => ({ name, ...contender(PEERS[name]!) })),
  };
}

function contender(open: OpenStore): Contender {
  return {
    run: async (context) => {
      if (context.isWarmUp) return { value: 0 };
      const folder = mkdtempSync(join(context.folder, "space-"));
      const store = await open(folder);
      await load(store, shuffledBatches(context.operations(KEYS)));
      await store.compact?.();
      const bytes = diskBytesOf(folder);
      await store.close();
      rmSync(folder, { recursive: true, force: true });
      return { value: bytes / 1e6 };
    },
  };
}

function* shuffledBatches(count: number): Generator<Pair[]> {
  const values = randomValues(VALUE_BYTES);
  const numbers = shuffle(
    createRandom(1),
    Array.from({ length: count }, (_, number) => number),
  );
  for (let from = 0; from < count; from += LOAD_BATCH) {
    yield numbers
      .slice(from, from + LOAD_BATCH)
      .map((number) => ({ key: keyOf(number), value: values[number % values.length]! }));
  }
}

/** What the files below a folder take on the disk, holes left out. */
export function diskBytesOf(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath, entry.name)).blocks * STAT_BLOCK_BYTES;
  }
  return bytes;
}
