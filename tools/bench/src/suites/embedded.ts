import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@kvs/env";
import { runCallers, runOnce, runSlices } from "../load.ts";
import { type Sample } from "../sample.ts";
import { openClassicLevel } from "../stores/classic-level-store.ts";
import { type EmbeddedStore, type OpenStore, type Pair } from "../stores/embedded-store.ts";
import { openKvs } from "../stores/kvs-store.ts";
import { openLmdb } from "../stores/lmdb-store.ts";
import { LOAD_BATCH, batchesOf, load, openLoaded, settle } from "../stores/loaded-store.ts";
import { randomKeys, randomValues } from "../stores/sample-pairs.ts";
import { openSqlite } from "../stores/sqlite-store.ts";
import { type Contender, type Measure, type RunContext, type Suite } from "../suite.ts";

const KEYS_FULL = 1_000_000;
const KEYS_QUICK = 100_000;
const VALUE_BYTES = 100;
/** Keys of random reads and writes in one cycle: many times what a processor's caches hold. */
const RANDOM_KEYS = 1 << 18;
/** Reads between two turns of the event loop: about a millisecond. */
const SLICE_READS = 1024;
const SCAN_ENTRIES = 10_000;
const LONG_VALUE_BYTES = 16 << 10;
/** Different keys with long values: 64 MB of data. */
const LONG_VALUE_KEYS = 4096;

/** A store that syncs for every caller takes as long for this share of the operations. */
const SERIAL_SHARE = 1 / 10;

const PEERS: Readonly<Record<string, OpenStore>> = {
  lmdb: openLmdb,
  "classic-level": openClassicLevel,
  sqlite: openSqlite,
};

/** The engine in this process, beside others in this process. */
export const embeddedSuite: Suite = {
  name: "embedded",
  description: "the storage engine in this process: reads, durable writes, loads, scans",
  measures: [
    get("embedded.get-per-s", []),
    get("embedded.get-copy", ["lmdb", "classic-level", "sqlite"]),
    put("embedded.put-per-s", 64, []),
    put("embedded.put", 1, ["lmdb", "sqlite"]),
    put("embedded.put", 64, ["lmdb", "classic-level", "sqlite"]),
    put("embedded.put", 512, ["lmdb"]),
    bulkLoad(["lmdb"]),
    batchInsert(["lmdb", "classic-level"]),
    scan(["lmdb", "classic-level"]),
    putLong(["lmdb"]),
  ],
};

/** Random reads of one key each, whose values are copied. */
function get(id: string, peers: readonly string[]): Measure {
  return onStores({ id, unit: "1/s", peers }, (subject, context) =>
    runSlices(context.operations(400_000), SLICE_READS, (count) => {
      const wanted = subject.nextKeys(count);
      assert(subject.store.getEach(wanted) === count, "every key that is read is there");
    }),
  );
}

/** Durable writes of one random key each. */
function put(name: string, callers: number, peers: readonly string[]): Measure {
  const operations = { 1: 1000, 64: 20_000, 512: 40_000 }[callers]!;
  const shape = { id: `${name}.${callers}`, unit: "1/s", peers, settles: true };
  return onStores(shape, (subject, context) => {
    const share = subject.store.syncsEachWrite && callers > 1 ? SERIAL_SHARE : 1;
    const count = context.operations(operations * share);
    return runCallers(callers, count, () => subject.putNext());
  });
}

/** Sorted pairs into an empty store; one operation is one pair. */
function bulkLoad(peers: readonly string[]): Measure {
  const values = randomValues(VALUE_BYTES);
  const contender = (open: OpenStore): Contender => ({
    run: async (context) => {
      const folder = mkdtempSync(join(context.folder, "bulk-load-"));
      const store = await open(folder);
      const count = context.operations(200_000);
      const sample = await runOnce(
        () => count,
        () => load(store, batchesOf(count, values)),
      );
      await store.close();
      rmSync(folder, { recursive: true, force: true });
      return sample;
    },
  });
  return {
    id: "embedded.bulk-load",
    unit: "1/s",
    ...contender(openKvs),
    peers: peers.map((name) => ({ name, ...contender(PEERS[name]!) })),
  };
}

/** Random keys, a thousand in a transaction, one after the other; one operation is one pair. */
function batchInsert(peers: readonly string[]): Measure {
  return onStores({ id: "embedded.batch-insert", unit: "1/s", peers }, (subject, context) => {
    const batches = Math.ceil(context.operations(50_000) / LOAD_BATCH);
    return runOnce(
      () => batches * LOAD_BATCH,
      async () => {
        for (let batch = 0; batch < batches; batch++) {
          const keys = subject.nextKeys(LOAD_BATCH);
          const { values } = subject;
          const pairs = keys.map((key, at): Pair => ({ key, value: values[at % values.length]! }));
          await subject.store.putAll(pairs);
        }
      },
    );
  });
}

/** Ranges that begin at random keys; one operation is one entry. */
function scan(peers: readonly string[]): Measure {
  return onStores({ id: "embedded.scan", unit: "1/s", peers }, (subject, context) => {
    const ranges = context.operations(40);
    let found = 0;
    const work = async (): Promise<void> => {
      const starts = subject.nextKeys(ranges);
      for (const start of starts) found += await subject.store.scan(start, SCAN_ENTRIES);
    };
    return runOnce(() => found, work);
  });
}

/** Durable writes of long values. */
function putLong(peers: readonly string[]): Measure {
  const shape = { id: "embedded.value-16k.64", unit: "1/s", peers };
  return onStores({ ...shape, valueBytes: LONG_VALUE_BYTES }, (subject, context) => {
    return runCallers(64, context.operations(4000), () => subject.putNext());
  });
}

/** A store that is full, and what to ask of it: random keys, in an order that goes on and on. */
class Subject {
  readonly store: EmbeddedStore;
  readonly values: readonly Uint8Array[];
  readonly #keys: readonly Uint8Array[];
  #next = 0;

  constructor(store: EmbeddedStore, keys: readonly Uint8Array[], values: readonly Uint8Array[]) {
    this.store = store;
    this.#keys = keys;
    this.values = values;
  }

  /** Writes one key, with the value whose turn it is. */
  putNext(): Promise<unknown> {
    const at = this.#next++;
    const key = this.#keys[at % this.#keys.length]!;
    return this.store.put(key, this.values[at % this.values.length]!);
  }

  /** @param count At most as many as there are keys. */
  nextKeys(count: number): readonly Uint8Array[] {
    if (this.#next + count > this.#keys.length) this.#next = 0;
    const from = this.#next;
    this.#next += count;
    return this.#keys.slice(from, from + count);
  }
}

interface StoreMeasure {
  readonly id: string;
  readonly unit: string;
  readonly peers: readonly string[];
  readonly valueBytes?: number;
  /** Whether every page is written to before the first sample. */
  readonly settles?: boolean;
}

/** A measure whose contenders each have a store of the same pairs. */
function onStores(
  shape: StoreMeasure,
  sample: (subject: Subject, context: RunContext) => Promise<Sample>,
): Measure {
  const { id, unit, peers, valueBytes = VALUE_BYTES, settles = false } = shape;
  const contender = (name: string, open: OpenStore): Contender => {
    let subject: Subject;
    return {
      prepare: async ({ folder, isQuick }) => {
        const isLong = valueBytes === LONG_VALUE_BYTES;
        const shortCount = isQuick ? KEYS_QUICK : KEYS_FULL;
        const count = isLong ? LONG_VALUE_KEYS : shortCount;
        const values = randomValues(valueBytes);
        const store = await openLoaded(open, folder, {
          name: `${name}-${valueBytes}`,
          count,
          values,
        });
        if (settles) await settle(store, count, values);
        const keys = randomKeys(1, isQuick ? RANDOM_KEYS / 16 : RANDOM_KEYS, count);
        subject = new Subject(store, keys, values);
        return { type: "ready", dispose: async () => void (await store.close()) };
      },
      run: (context) => sample(subject, context),
    };
  };
  return {
    id,
    unit,
    ...contender("kvs", openKvs),
    peers: peers.map((name) => ({ name, ...contender(name, PEERS[name]!) })),
  };
}
