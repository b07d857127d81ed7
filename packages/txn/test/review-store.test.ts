import { ByteWriter } from "@kvs/codec";
import { type DiskErrorCode } from "@kvs/env";
import { type DiskCall } from "@kvs/sim";
import { expect, test } from "vitest";

import { BATCH_BYTES_MAX, MAIN_TREE, encodeBatch } from "../src/index.ts";
import { bytes, codeIs, contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

test("closing waits for every batch that was called for, those in the queue too", async () => {
  const storage = newStorage();
  await withStore(
    storage,
    async (store) => {
      const long = "l".repeat(100_000);
      const batches = [1, 2, 3, 4].map((at) => store.batch([put(`long ${at}`, long)]));
      const closed = store.close();
      expect(await Promise.all(batches)).toHaveLength(4);
      await closed;
    },
    { world: { answers: "in-turn" } },
  );

  await withStore(storage, async (store) => {
    expect(Object.keys(await contentOf(store))).toHaveLength(4);
  });
});

test("a tree is not made on a full disk, and the store goes on", async () => {
  const storage = newStorage();
  let code: DiskErrorCode | undefined;
  const onCall = (call: DiskCall): { type: "error"; code: DiskErrorCode } | undefined =>
    code !== undefined && call.operation === "allocate" ? { type: "error", code } : undefined;
  await withStore(
    storage,
    async (store) => {
      for (let at = 0; at < 10; at++) await store.batch([put(`key ${at}`, "v".repeat(100))]);
      code = "DISK_FULL";
      for (const bytesEach of [850, 0]) {
        const fill = async (): Promise<void> => {
          for (;;) await store.batch([put("key", "v".repeat(bytesEach))]);
        };
        await expect(fill()).rejects.toThrow(codeIs("WAL_DISK_FULL"));
      }
      await expect(store.openTree("second")).rejects.toThrow(codeIs("WAL_DISK_FULL"));
      expect(store.isPoisoned).toBe(false);
      code = undefined;

      const tree = await store.openTree("second");
      await store.batch([put("key", "value", tree)]);

      expect(Object.keys(await contentOf(store))).toHaveLength(11);
      expect(await contentOf(store, { tree })).toEqual({ key: "value" });
      await expectSound(store);
    },
    { world: { disk: { onCall } } },
  );
});

test("a proposed batch that names a key twice is refused", async () => {
  await withStore(newStorage(), async (store) => {
    const writer = new ByteWriter();
    encodeBatch(writer, [put("key a", "1"), put("key b", "2")]);
    const batch = writer.toBytes();
    batch[batch.indexOf(98)] = 97; // the "b" of "key b"

    await expect(store.propose(batch)).rejects.toThrow(codeIs("TXN_DAMAGED_BATCH"));
    expect(await contentOf(store)).toEqual({});
  });
});

test("the key and value of a batch may change once it was called for", async () => {
  await withStore(newStorage(), async (store) => {
    await store.batch([put("a", "x".repeat(50_000))]);
    const key = bytes("key");
    const value = bytes("v".repeat(50_000));
    const waiting = store.batch([{ type: "put", tree: MAIN_TREE, key, value }]);
    key.fill(0);
    value.fill(0);
    await waiting;

    expect(await contentOf(store)).toEqual({
      a: "x".repeat(50_000),
      key: "v".repeat(50_000),
    });
  });
});

test("batches beyond what may wait are refused, and the others are not", async () => {
  await withStore(
    newStorage(),
    async (store) => {
      const writer = new ByteWriter();
      const value = new Uint8Array(16 << 20);
      encodeBatch(
        writer,
        ["a", "b", "c"].map((key) => ({ type: "put", key: bytes(key), value })),
      );
      const batch = writer.toBytes();
      const mayWait = Math.floor((2 * BATCH_BYTES_MAX) / (batch.length + 1000));
      const proposed = Array.from({ length: mayWait + 2 }, () => store.propose(batch));

      const answers = await Promise.allSettled(proposed);

      const refused = answers.filter(({ status }) => status === "rejected");
      expect(refused).toEqual([
        { status: "rejected", reason: expect.objectContaining({ code: "TXN_OVERLOADED" }) },
      ]);
      expect(answers.at(-1)!.status).toBe("rejected");
    },
    { store: { memoryBytes: 32 << 20, segmentBytes: 64 << 20 } },
  );
}, 60_000);

test("a read that closing cuts short is told so", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 40; at++) await store.batch([put(`key ${at}`, "v".repeat(900))]);
  });
  await withStore(
    storage,
    async (store) => {
      const reads = Array.from({ length: 40 }, (_, at) => store.get(bytes(`key ${at}`)));
      const settled = Promise.allSettled([...reads, contentOf(store)]);
      await store.close();

      for (const answer of await settled) {
        if (answer.status === "rejected") expect(answer.reason).toEqual(codeIs("TXN_CLOSED"));
      }
    },
    { world: { answers: "in-turn" } },
  );
});

test("a new store whose newest header is damaged is recovered, not made anew", async () => {
  for (const copy of [0, 1]) {
    const storage = newStorage();
    await withStore(storage, (store) => store.batch([put("key", "value")]));
    storage.flipBit("store/pages.kvs", 8 * (copy * 4096 + 100));

    const content = await withStore(storage, (store) => contentOf(store));

    expect(content).toEqual({ key: "value" });
  }
});
