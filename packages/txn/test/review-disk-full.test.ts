import { type DiskErrorCode } from "@kvs/env";
import { type DiskCall } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation } from "../src/index.ts";
import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

function rows(name: string, count: number, bytesEach: number): Mutation[] {
  return Array.from({ length: count }, (_, at) => put(`${name} ${at}`, "r".repeat(bytesEach)));
}

const BATCHES: readonly (readonly [string, Mutation[]])[] = [
  ["many rows", rows("row", 200, 900)],
  ["small rows", rows("row", 2000, 20)],
  ["long values", rows("long", 3, 60_000)],
];

for (const [name, batch] of BATCHES) {
  test(`a batch that finds no pages leaves no trace, and the store goes on: ${name}`, async () => {
    let isFull = false;
    const onCall = (call: DiskCall): { type: "error"; code: DiskErrorCode } | undefined => {
      const grows = call.operation === "allocate" && call.path.includes("pages");
      return isFull && grows ? { type: "error", code: "DISK_FULL" } : undefined;
    };
    await withStore(
      newStorage(),
      async (store) => {
        await store.batch(rows("before", 30, 500));
        const before = await contentOf(store);
        isFull = true;
        const failed = store.batch(batch);
        await expect(failed).rejects.toMatchObject({ code: "DISK_FULL", outcome: "none" });
        expect(store.isPoisoned).toBe(false);
        expect(await contentOf(store)).toEqual(before);
        isFull = false;

        await store.batch(batch);

        const count = Object.keys(await contentOf(store)).length;
        expect(count).toBe(Object.keys(before).length + batch.length);
        await expectSound(store);
      },
      { store: { segmentBytes: 1 << 20 }, world: { disk: { onCall } } },
    );
  });
}

test("a checkpoint that failed is made again, though nothing is written any more", async () => {
  let isFull = false;
  const onCall = (call: DiskCall): { type: "error"; code: DiskErrorCode } | undefined => {
    const isPages = call.operation === "writeAt" && call.path.includes("pages");
    return isFull && isPages ? { type: "error", code: "DISK_FULL" } : undefined;
  };
  await withStore(
    newStorage(),
    async (store, environment) => {
      const before = store.stats().checkpointCount;
      await store.batch([put("key", "v".repeat(900))]);
      isFull = true;
      await expect(store.checkpoint()).rejects.toMatchObject({ code: "DISK_FULL" });
      isFull = false;
      expect(store.stats().checkpointCount).toBe(before);

      await new Promise<void>((resolve) => {
        environment.clock.schedule(61_000, resolve);
      });

      expect(store.stats().checkpointCount).toBe(before + 1);
    },
    { world: { disk: { onCall } } },
  );
});
