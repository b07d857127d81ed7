import { ByteWriter } from "@kvs/codec";
import { createRandom, isKvsError } from "@kvs/env";
import { expect, test } from "vitest";

import { encodeBatch, type Mutation, type Timestamp } from "../src/index.ts";
import { contentOf, del, newStorage, put, withStore } from "./fixture.ts";

interface Command {
  readonly timestamp: Timestamp;
  readonly mutations: readonly Mutation[];
  readonly batch: Uint8Array;
}

/** A log of batches, with timestamps that grow by leaps. */
function logOf(count: number, seed: number): Command[] {
  const random = createRandom(seed);
  let timestamp = 1000;
  return Array.from({ length: count }, (_, at) => {
    timestamp += 1 + random.below(5);
    const mutations = Array.from({ length: 1 + random.below(3) }, () => {
      const key = `key ${random.below(40)}`;
      const isLong = random.below(12) === 0;
      return random.below(5) === 0 ? del(key) : put(key, `${at} `.repeat(isLong ? 900 : 3));
    });
    const writer = new ByteWriter();
    encodeBatch(writer, mutations);
    return { timestamp, mutations, batch: writer.toBytes() };
  });
}

/** What a store holds that applied the log up to a timestamp. */
function contentAt(log: readonly Command[], timestamp: Timestamp): Record<string, string> {
  const content = new Map<string, string>();
  for (const command of log) {
    if (command.timestamp > timestamp) break;
    for (const mutation of command.mutations) {
      const key = String.fromCharCode(...mutation.key);
      if (mutation.type === "delete") content.delete(key);
      else content.set(key, String.fromCharCode(...mutation.value));
    }
  }
  return Object.fromEntries([...content].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const REPLICATED = { isReplicated: true, checkpointLogBytes: 40_000 };

// REL-R20
test("after any crash a replicated store has a prefix of its log, each batch once, and takes the rest", async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const log = logOf(300, seed);
    const random = createRandom(1000 + seed);
    const storage = newStorage(seed);
    let durableTs = 0;
    for (let life = 0; life < 8; life++) {
      const killAt = life === 7 ? Infinity : 20 + random.below(120);
      let calls = 0;
      try {
        await withStore(
          storage,
          async (store, { clock }) => {
            calls = 0;
            const { publishedTs, replicated } = store;
            expect(publishedTs).toBeGreaterThanOrEqual(durableTs);
            expect(await contentOf(store)).toEqual(contentAt(log, publishedTs));
            for (const { timestamp, batch } of log) {
              if (timestamp <= publishedTs) continue;
              await replicated.apply(batch, timestamp);
              expect(store.publishedTs).toBe(timestamp);
              durableTs = Math.max(durableTs, replicated.durableTs);
              if (random.below(25) === 0) await store.sync();
              if (random.below(60) === 0) await store.checkpoint();
              if (random.below(9) === 0) await new Promise<void>((go) => clock.defer(go));
            }
          },
          {
            store: { ...REPLICATED, memoryBytes: (5 + random.below(8)) * 4096 },
            world: {
              random: createRandom(seed * 100 + life),
              disk: {
                onCall: () => (++calls > killAt ? { type: "error", code: "DISK_IO" } : undefined),
              },
            },
          },
        );
      } catch (error) {
        if (!isKvsError(error)) throw new Error(`seed ${seed}, life ${life}`, { cause: error });
      }
      storage.crash();
    }
    await withStore(
      storage,
      async (store) => {
        const last = log.at(-1)!.timestamp;
        for (const { timestamp, batch } of log) {
          if (timestamp > store.publishedTs) await store.replicated.apply(batch, timestamp);
        }
        expect(await contentOf(store)).toEqual(contentAt(log, last));
      },
      { store: REPLICATED },
    );
  }
}, 60_000);

test("what a replicated store applied is visible at once, and on its disk soon after", async () => {
  const [first, second] = logOf(2, 7);
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      await store.replicated.apply(first!.batch, first!.timestamp);
      await store.replicated.apply(second!.batch, second!.timestamp);

      expect(store.publishedTs).toBe(second!.timestamp);
      expect(store.replicated.durableTs).toBeLessThan(first!.timestamp);
      await new Promise<void>((go) => void clock.schedule(1000, go));
      expect(store.replicated.durableTs).toBe(second!.timestamp);
    },
    { store: REPLICATED },
  );
});

test("a replicated store refuses batches that are not of its log, and timestamps that go back", async () => {
  const [first] = logOf(1, 7);
  await withStore(
    newStorage(),
    async (store) => {
      await store.replicated.apply(first!.batch, first!.timestamp);

      await expect(store.batch([put("key", "value")])).rejects.toThrow("batches of its log");
      await expect(store.replicated.apply(first!.batch, first!.timestamp)).rejects.toThrow("grow");
    },
    { store: REPLICATED },
  );
  await withStore(newStorage(), async (store) => {
    await expect(store.replicated.apply(first!.batch, 5000)).rejects.toThrow("opened for that");
  });
});
