import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";

import { MAIN_TREE, Store } from "../src/index.ts";
import {
  SMALL,
  bytes,
  codeIs,
  contentOf,
  del,
  expectSound,
  newStorage,
  put,
  text,
  withStore,
} from "./fixture.ts";

test("what was answered is read by every way of reading, before and after a reopening", async () => {
  const storage = newStorage();
  const read = async (store: Store): Promise<void> => {
    for (const [key, value] of [
      ["short", "1"],
      ["long", "l".repeat(30_000)],
    ] as const) {
      const entry = await store.getEntry(bytes(key));
      expect(text(entry!.value)).toBe(value);
      expect(text((await store.get(bytes(key)))!)).toBe(value);
      expect(text(store.getSync(bytes(key))!)).toBe(value);
      expect((await store.read(bytes(key)))!.version).toBe(entry!.version);
    }
    for (const key of ["deleted", "never"]) {
      expect(await store.get(bytes(key))).toBeUndefined();
      expect(store.getSync(bytes(key))).toBeUndefined();
      expect(await store.read(bytes(key))).toBeUndefined();
    }
  };
  await withStore(storage, async (store) => {
    for (let at = 0; at < 40; at++) await store.batch([put(`fill ${at}`, "f".repeat(900))]);
    await store.batch([put("short", "1"), put("long", "l".repeat(30_000)), put("deleted", "x")]);
    const { version } = await store.batch([del("deleted")]);
    expect(store.publishedTs).toBe(version);
    await read(store);
    await store.close();
  });

  await withStore(storage, async (store) => {
    await read(store);
    await expectSound(store);
  });
});

test("an empty batch, and one that deletes what is not there, change nothing", async () => {
  await withStore(newStorage(), async (store) => {
    const { version } = await store.batch([put("key", "value")]);
    expect(await store.batch([])).toEqual({ version });
    await store.batch([del("other")]);
    expect(await contentOf(store)).toEqual({ key: "value" });
  });
});

test("limits and unknown trees are refused before anything happens", async () => {
  await withStore(newStorage(), async (store) => {
    const long = "k".repeat(2000);
    await expect(store.batch([put(long, "")])).rejects.toThrow(codeIs("TXN_KEY_TOO_LARGE"));
    await expect(store.get(bytes(long))).rejects.toThrow(codeIs("TXN_KEY_TOO_LARGE"));
    expect(() => store.getSync(bytes(long))).toThrow(codeIs("TXN_KEY_TOO_LARGE"));
    for (const tree of [1, 99]) {
      await expect(store.batch([put("a", "", tree)])).rejects.toThrow(codeIs("TXN_UNKNOWN_TREE"));
      expect(() => store.getSync(bytes("a"), { tree })).toThrow(codeIs("TXN_UNKNOWN_TREE"));
      await expect(contentOf(store, { tree })).rejects.toThrow(codeIs("TXN_UNKNOWN_TREE"));
    }
    expect(store.isPoisoned).toBe(false);
    expect(await contentOf(store)).toEqual({});
  });
});

test("trees are apart, keep their numbers, and are made once", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    const [left, again, right] = await Promise.all([
      store.openTree("left"),
      store.openTree("left"),
      store.openTree("right"),
    ]);
    expect(left).toBe(again);
    expect(new Set([left, right, MAIN_TREE]).size).toBe(3);
    expect(await store.openTree("main")).toBe(MAIN_TREE);
    await store.batch([put("key", "left", left), put("key", "right", right), put("key", "main")]);
    expect(() => store.openTree("")).toThrow("1 to 256 bytes");
    expect(() => store.openTree("n".repeat(257))).toThrow("1 to 256 bytes");
  });

  await withStore(storage, async (store) => {
    expect([...store.trees().keys()].toSorted()).toEqual(["left", "main", "right"]);
    for (const [name, tree] of store.trees()) {
      expect(await contentOf(store, { tree })).toEqual({ key: name });
    }
    await expectSound(store);
  });
});

test("a store is of one process; the next gets it when the first is gone", async () => {
  const storage = newStorage();
  const first = new InstantWorld(storage);
  const store = await first.run((environment) => Store.open(environment, SMALL));
  const second = new InstantWorld(storage);

  const opened = second.run((environment) => Store.open(environment, SMALL));
  await expect(opened).rejects.toThrow(codeIs("DISK_LOCKED"));

  await first.run(() => store.close());
  await withStore(storage, expectSound);
});

test("a closed store refuses everything, and closing twice is one", async () => {
  await withStore(newStorage(), async (store) => {
    await store.batch([put("key", "value")]);
    const scan = store.scan();
    await scan.next();
    await Promise.all([store.close(), store.close()]);
    await store[Symbol.asyncDispose]();

    const closed = codeIs("TXN_CLOSED");
    await expect(store.batch([put("a", "")])).rejects.toThrow(closed);
    await expect(store.propose(new Uint8Array(1))).rejects.toThrow(closed);
    await expect(store.get(bytes("key"))).rejects.toThrow(closed);
    await expect(scan.next()).rejects.toThrow(closed);
    await expect(store.checkpoint()).rejects.toThrow(closed);
    await expect(store.check()).rejects.toThrow(closed);
    expect(() => store.getSync(bytes("key"))).toThrow(closed);
    expect(() => store.snapshot()).toThrow(closed);
    expect(() => store.openTree("tree")).toThrow(closed);
  });
});

test("a poisoned store refuses writes and answers reads; opened again it has what it answered", async () => {
  const storage = newStorage();
  let isBroken = false;
  const onCall = ({ operation, path }: { operation: string; path: string }) =>
    isBroken && operation === "writeDurableAt" && path.includes("/log/")
      ? ({ type: "error", code: "DISK_IO" } as const)
      : undefined;
  await withStore(
    storage,
    async (store) => {
      await store.batch([put("key", "value")]);
      isBroken = true;
      const lost = store.batch([put("key", "lost")]);
      await expect(lost).rejects.toMatchObject({ code: "TXN_POISONED", outcome: "unknown" });
      isBroken = false;

      expect(store.isPoisoned).toBe(true);
      const refused = { code: "TXN_POISONED", outcome: "none" };
      await expect(store.batch([put("other", "")])).rejects.toMatchObject(refused);
      await expect(store.checkpoint()).rejects.toMatchObject(refused);
      await expect(store.openTree("tree")).rejects.toMatchObject(refused);
      expect(await contentOf(store)).toEqual({ key: "value" });
      await store.close();
    },
    { world: { disk: { onCall } } },
  );

  await withStore(storage.worstCase(), async (store) => {
    expect(text((await store.get(bytes("key")))!)).toMatch(/^value$|^lost$/);
    await expectSound(store);
  });
});

test("figures tell what a store is doing", async () => {
  await withStore(newStorage(), async (store) => {
    const snapshot = store.snapshot();
    await store.batch([put("key", "value")]);
    const stats = store.stats();

    expect(stats).toMatchObject({ pendingBatches: 0, openSnapshots: 1, treeCount: 1 });
    expect(stats.publishedTs).toBe(store.publishedTs);
    expect(stats.oldestSnapshot).toBe(snapshot.timestamp);
    expect(stats.logBytes).toBeGreaterThan(0);
    await store.checkpoint();
    expect(store.stats().checkpointCount).toBe(stats.checkpointCount + 1);
    expect(store.stats().logBytes).toBeLessThan(200);
  });
});
