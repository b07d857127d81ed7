import { type TraceFields, noTrace, sleep } from "@kvs/env";
import { type DiskCall, type DiskVerdict } from "@kvs/sim";
import { expect, test } from "vitest";

import { contentOf, newStorage, put, withStore } from "./fixture.ts";

test("a checkpoint begins by itself after so much time, if anything was written", async () => {
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      const { checkpointCount } = store.stats();
      await sleep(clock, 3500);
      expect(store.stats().checkpointCount).toBe(checkpointCount);

      for (let at = 0; at < 5; at++) await store.batch([put(`key ${at}`, "v".repeat(200))]);
      await sleep(clock, 3500);
      expect(store.stats().checkpointCount).toBe(checkpointCount + 1);
      await store.close();
      await sleep(clock, 3500);
    },
    { store: { checkpointIntervalMs: 1000 } },
  );
});

test("a checkpoint begins by itself after so much log, and the log stays short", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      for (let at = 0; at < 300; at++) await store.batch([put(`key ${at % 10}`, "v".repeat(500))]);
      const { checkpointCount, wal } = store.stats();
      expect(checkpointCount).toBeGreaterThan(4);
      expect(wal.endLsn - wal.headPosition).toBeLessThan(300 * 500);
      expect(Object.keys(await contentOf(store))).toHaveLength(10);
    },
    { store: { checkpointLogBytes: 20_000 } },
  );
});

test("a checkpoint that fails is noted, and the timer tries again", async () => {
  let failures = 0;
  const noted: TraceFields[] = [];
  const event = (level: string, _part: string, _text: string, fields: TraceFields = {}): void => {
    if (level === "error") noted.push(fields);
  };
  const onCall = ({
    operation,
    path,
  }: {
    operation: string;
    path: string;
  }): DiskVerdict | undefined => {
    if (failures === 0 || operation !== "writeAt" || !path.endsWith("pages.kvs")) return undefined;
    failures--;
    return { type: "error", code: "DISK_FULL" };
  };
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      const { checkpointCount } = store.stats();
      failures = 1;
      for (let at = 0; at < 60; at++) await store.batch([put(`key ${at % 5}`, "v".repeat(500))]);
      await sleep(clock, 100);
      expect(String(noted[0]!["error"])).toMatch(/DISK_FULL/);
      expect(store.stats().checkpointCount).toBe(checkpointCount);
      expect(store.isPoisoned).toBe(false);

      await sleep(clock, 60_000);
      expect(store.stats().checkpointCount).toBeGreaterThan(checkpointCount);
    },
    {
      store: { checkpointLogBytes: 20_000 },
      world: { disk: { onCall }, trace: { ...noTrace, event } },
    },
  );
});

test("a checkpoint on demand makes the log short at once", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 60; at++) await store.batch([put(`key ${at}`, "v".repeat(500))]);
    const before = store.stats();
    await store.checkpoint();
    const { checkpointCount, logBytes, wal } = store.stats();
    expect(checkpointCount).toBe(before.checkpointCount + 1);
    expect(logBytes).toBeLessThan(500);
    expect(wal.headPosition).toBeGreaterThan(before.wal.headPosition);
  });
});

test("writers are slowed down gently while a checkpoint takes too long, and never stopped", async () => {
  let isSlow = false;
  const onCall = ({ operation, path }: DiskCall): DiskVerdict | undefined =>
    isSlow && operation === "datasync" && path.endsWith("pages.kvs")
      ? { type: "delay", micros: 20_000_000 }
      : undefined;
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      isSlow = true;
      const delays: number[] = [];
      for (let at = 0; at < 200; at++) {
        const before = clock.monotonicMs();
        await store.batch([put(`key ${at % 10}`, "v".repeat(500))]);
        delays.push(clock.monotonicMs() - before);
      }
      const inOrder = delays.toSorted((one, other) => one - other);
      expect(inOrder[20]!).toBeLessThan(1); // at first none at all,
      expect(inOrder.some((delay) => delay > 5 && delay < 20)).toBe(true); // then a little,
      expect(inOrder.at(-1)!).toBeGreaterThan(40); // at last much,
      expect(inOrder.at(-1)!).toBeLessThan(100); // but none waits for the checkpoint
      isSlow = false;
      await sleep(clock, 60_000);
      await store.checkpoint();
      const before = clock.monotonicMs();
      await store.batch([put("key", "value")]);
      expect(clock.monotonicMs() - before).toBeLessThan(1);
    },
    { store: { checkpointLogBytes: 20_000 }, world: { disk: { onCall } } },
  );
});
