import { ByteWriter } from "@kvs/codec";
import { createRandom } from "@kvs/env";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { Wal } from "@kvs/wal";
import { expect, test } from "vitest";

import { MINI_IN_BATCH, RECORD_COMMIT, RECORD_MINI, UNDO_NONE } from "../src/engine-record.ts";
import { codeIs, contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";

test("a record that changes one page several times is redone whole", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    // From the second on, each put removes the version before the last, in the same record.
    for (let at = 0; at < 5; at++) await store.batch([put("key", `value ${at}`)]);
  });

  await withStore(storage.worstCase(), async (store) => {
    expect(await contentOf(store)).toEqual({ key: "value 4" });
    await expectSound(store);
  });
});

test("a page file that is shorter than its log says is refused", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 40; at++) await store.batch([put(`key ${at}`, "x".repeat(900))]);
  });

  for (const pages of [3, 4, 6, 10]) {
    const cut = storage.worstCase();
    cut.truncateFile("store/pages.kvs", pages * 4096);

    const opened = withStore(cut, (store) => contentOf(store));

    await expect(opened).rejects.toThrow(codeIs("TXN_DAMAGED_STORE"));
  }
});

/** Appends a record behind a store's log, as no engine would, and opens the store. */
async function openWithRecord(kind: number, payload: Uint8Array): Promise<unknown> {
  const storage = newStorage();
  await withStore(storage, (store) => store.batch([put("key", "value")]));
  const world = new InstantWorld(storage);
  await world.run(async (environment) => {
    const wal = await Wal.open(environment, { path: "store/log" });
    wal.append(kind, payload);
    await wal.sync();
  });
  storage.processDied();
  return withStore(storage, (store) => contentOf(store));
}

test("a log with records that make no sense is refused", async () => {
  const damaged = codeIs("TXN_DAMAGED_LOG");
  await expect(openWithRecord(99, new Uint8Array(8))).rejects.toThrow(damaged);
  await expect(openWithRecord(RECORD_COMMIT, new Uint8Array(3))).rejects.toThrow(damaged);
  await expect(openWithRecord(RECORD_MINI, new Uint8Array(1))).rejects.toThrow(damaged);
});

test("a batch whose records do not lead back to its first is refused", async () => {
  const head = (timestamp: number, previousStart: number): Uint8Array => {
    const writer = new ByteWriter();
    writer.u8(MINI_IN_BATCH);
    writer.u8(UNDO_NONE);
    writer.u64(timestamp);
    writer.u64(previousStart);
    return writer.toBytes();
  };
  const isRefused = expect(openWithRecord(RECORD_MINI, head(2 ** 50, 2 ** 40))).rejects;
  await isRefused.toThrow(codeIs("TXN_DAMAGED_LOG"));
  expect(await openWithRecord(RECORD_MINI, head(2 ** 50, 0))).toEqual({ key: "value" });
});

test("a batch that was half done is taken back, whatever it was: rows, long values, trees", async () => {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatched = false;
  const onCall = ({ operation }: { operation: string }): undefined => {
    const isLogged = operation === "writeDurableAt" || operation === "writeAt";
    if (isWatched && isLogged) images.push(storage.sampleCrashImage(createRandom(1), "keep-all"));
  };
  let before: Record<string, string> = {};
  await withStore(
    storage,
    async (store) => {
      for (let at = 0; at < 50; at++) await store.batch([put(`key ${at}`, "old".repeat(200))]);
      before = await contentOf(store);
      isWatched = true;
      const batch = Array.from({ length: 50 }, (_, at) => put(`key ${at}`, "new".repeat(250)));
      batch.push(put("long", "l".repeat(60_000)), ...[3, 7].map((at) => del(`key 1${at}`)));
      await store.batch(batch);
      await store.openTree("other");
    },
    { world: { disk: { onCall }, hooks: { buggify: (site) => site === "wal.small-groups" } } },
  );

  let undone = 0;
  for (const image of images) {
    const probe = (name: string): void => void (undone += name === "txn.batch-undone" ? 1 : 0);
    await withStore(
      image,
      async (store) => {
        const content = await contentOf(store);
        if (content["long"] === undefined) expect(content).toEqual(before);
        await expectSound(store);
      },
      { world: { hooks: { probe } } },
    );
  }
  expect(undone).toBeGreaterThan(5);
});
