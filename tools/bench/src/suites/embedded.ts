import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@kvs/env";
import { runCallers, runCallersUntil, runOnce, runSlices } from "../load.ts";
import { encryptedPut } from "../measures/encrypted-put.ts";
import { hotCopies, residentMemory } from "../measures/large-store.ts";
import {
  PEERS,
  type Pairs,
  SHORT_PAIRS,
  type Subject,
  onStores,
} from "../measures/store-measure.ts";
import { transactionMeasures } from "../measures/transactions.ts";
import { versionBytes } from "../measures/version-bytes.ts";
import { space } from "../measures/space.ts";
import { loopDelays, writeAmplification } from "../measures/upkeep.ts";
import { dropPageCache, noteOnPageCache } from "../page-cache.ts";
import { type Sample } from "../sample.ts";
import { CACHE_BYTES, type OpenStore, type Pair } from "../stores/embedded-store.ts";
import { openKvs, openKvsWith } from "../stores/kvs-store.ts";
import { LOAD_BATCH, fill } from "../stores/loaded-store.ts";
import { randomValues } from "../stores/sample-pairs.ts";
import { type Contender, type Measure, type Suite } from "../suite.ts";

/** Reads between two turns of the event loop: about a millisecond. */
const SLICE_READS = 1024;
const SCAN_ENTRIES = 10_000;
/** Different keys with long values: 64 MB of data. */
const LONG_PAIRS: Pairs = { full: 4096, quick: 4096, valueBytes: 16 << 10 };
/** For stores ten times as large as their caches. */
const LARGE_PAIRS: Pairs = { ...SHORT_PAIRS, full: 2_000_000 };
const COLD_PAIRS: Pairs = { ...SHORT_PAIRS, full: 10_000_000 };
const KEY_BYTES = 16;

/** Of a peer, beside a whole cycle of checkpoints of ours. */
const PEER_PUTS = 60_000;
/** Only the log's length makes checkpoints due: the time that a peer takes would shift ours. */
const NO_TIMER = { checkpointIntervalMs: 2 ** 31 - 1 };

/** A store that syncs for every caller takes as long for this share of the operations. */
const SERIAL_SHARE = 1 / 10;

/** The engine in this process, beside others in this process. */
export const embeddedSuite: Suite = {
  name: "embedded",
  description: "the storage engine in this process: reads, durable writes, loads, scans, upkeep",
  measures: [
    get("embedded.get-per-s", []),
    get("embedded.get-copy", ["lmdb", "classic-level", "sqlite"]),
    getView(["lmdb"]),
    put("embedded.put-per-s", 64, []),
    put("embedded.put", 1, ["lmdb", "sqlite"]),
    putOverCheckpoints(["lmdb", "classic-level", "sqlite"]),
    put("embedded.put", 512, ["lmdb"]),
    putBatched(["sqlite"]),
    bulkLoad(["lmdb"]),
    batchInsert(["lmdb", "classic-level"]),
    scan(["lmdb", "classic-level"]),
    putLong(["lmdb"]),
    putLarge(["lmdb"]),
    getCold(["lmdb"]),
    space(["lmdb"]),
    ...loopDelays(),
    writeAmplification(),
    encryptedPut(),
    ...hotCopies(),
    residentMemory(),
    ...transactionMeasures(),
    versionBytes(),
  ],
};

/** Random reads of one key each, whose values are copied. */
function get(id: string, peers: readonly string[]): Measure {
  return onStores({ id, unit: "1/s", peers }, (subject, context) =>
    readKeys(subject, context.operations(400_000)),
  );
}

/** Random reads of one key each, whose values are looked at where they lie. */
function getView(peers: readonly string[]): Measure {
  return onStores({ id: "embedded.get-view", unit: "1/s", peers }, (subject, context) =>
    runSlices(context.operations(400_000), SLICE_READS, (count) => {
      const wanted = subject.nextKeys(count);
      assert(subject.store.viewEach!(wanted) === count, "every key that is read is there");
    }),
  );
}

function readKeys(subject: Subject, operations: number): Promise<Sample> {
  return runSlices(operations, SLICE_READS, (count) => {
    const wanted = subject.nextKeys(count);
    assert(subject.store.getEach(wanted) === count, "every key that is read is there");
  });
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

/**
 * Durable writes of one random key each, 64 callers, from the end of one checkpoint of ours to the
 * end of the next: all that a checkpoint costs is in each sample, in the share that it has in use.
 */
function putOverCheckpoints(peers: readonly string[]): Measure {
  const shape = { id: "embedded.put.64", unit: "1/s", peers, settles: true, samples: 3 };
  const openOurs: OpenStore = (folder) =>
    openKvsWith(folder, { memoryBytes: CACHE_BYTES, ...NO_TIMER });
  return onStores(
    { ...shape, openOurs },
    async (subject, context) => {
      if (context.isQuick) return putCount(subject, context.operations(PEER_PUTS));
      if (context.isWarmUp) {
        const sample = await putCount(subject, PEER_PUTS);
        await subject.store.checkpoint!(); // where the first sample begins
        return sample;
      }
      const before = subject.store.checkpointCount!();
      const isOver = (): boolean => subject.store.checkpointCount!() > before;
      return runCallersUntil(64, isOver, () => subject.putNext());
    },
    (subject, context) => {
      const share = subject.store.syncsEachWrite ? SERIAL_SHARE : 1;
      return putCount(subject, context.operations(PEER_PUTS * share));
    },
  );
}

function putCount(subject: Subject, count: number): Promise<Sample> {
  return runCallers(64, count, () => subject.putNext());
}

/** 64 callers with a put each against one caller with 64 puts in a transaction, durable. */
function putBatched(peers: readonly string[]): Measure {
  const shape = { id: "embedded.put-batched", unit: "1/s", peers, settles: true };
  return onStores(
    shape,
    (subject, context) => putCount(subject, context.operations(20_000)),
    (subject, context) => putTransactions(subject, context.operations(20_000), 64),
  );
}

/** One transaction after the other; one operation is one pair. */
function putTransactions(subject: Subject, pairs: number, size: number): Promise<Sample> {
  const transactions = Math.ceil(pairs / size);
  return runOnce(
    () => transactions * size,
    async () => {
      for (let transaction = 0; transaction < transactions; transaction++) {
        const { values } = subject;
        const toPair = (key: Uint8Array, at: number): Pair => ({
          key,
          value: values[at % values.length]!,
        });
        await subject.store.putAll(subject.nextKeys(size).map(toPair));
      }
    },
  );
}

/** Sorted pairs into an empty store; one operation is one pair. */
function bulkLoad(peers: readonly string[]): Measure {
  const values = randomValues(SHORT_PAIRS.valueBytes);
  const contender = (open: OpenStore): Contender => ({
    run: async (context) => {
      const folder = mkdtempSync(join(context.folder, "bulk-load-"));
      const store = await open(folder);
      const count = context.operations(200_000);
      const sample = await runOnce(
        () => count,
        () => fill(store, count, values),
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

/** Random keys, a thousand in a transaction, one after the other. */
function batchInsert(peers: readonly string[]): Measure {
  return onStores({ id: "embedded.batch-insert", unit: "1/s", peers }, (subject, context) =>
    putTransactions(subject, context.operations(50_000), LOAD_BATCH),
  );
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
  const shape = { id: "embedded.value-16k.64", unit: "1/s", peers, pairs: LONG_PAIRS };
  return onStores(shape, (subject, context) => putCount(subject, context.operations(4000)));
}

/** Durable writes to a store ten times as large as its cache. */
function putLarge(peers: readonly string[]): Measure {
  const shape = { id: "embedded.put-large.64", unit: "1/s", peers, pairs: LARGE_PAIRS };
  const openOurs = withTenthInCache(LARGE_PAIRS);
  const beforeSamples = (): string =>
    dropPageCache()
      ? "page cache emptied before the first sample; then the kernel's is as large as it likes"
      : noteOnPageCache(false);
  return onStores({ ...shape, openOurs, beforeSamples }, (subject, context) =>
    putCount(subject, context.operations(10_000)),
  );
}

/** Random reads of a store that was just opened, none of which is in memory. */
function getCold(peers: readonly string[]): Measure {
  const shape = { id: "embedded.get-cold", unit: "1/s", peers, pairs: COLD_PAIRS };
  const openOurs = withTenthInCache(COLD_PAIRS);
  const beforeSamples = (): string => noteOnPageCache(dropPageCache());
  return onStores({ ...shape, openOurs, beforeSamples }, async (subject, context) => {
    await subject.reopen(dropPageCache);
    return readKeys(subject, context.operations(20_000));
  });
}

/** Ours, with a cache for a tenth of the keys and values. */
function withTenthInCache({ full, valueBytes }: Pairs): OpenStore {
  return (folder) =>
    openKvsWith(folder, { memoryBytes: Math.floor((full * (KEY_BYTES + valueBytes)) / 10) });
}
