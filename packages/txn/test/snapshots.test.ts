import { expect, test } from "vitest";

import { SnapshotRegistry } from "../src/snapshots.ts";
import { codeIs, contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

test("the oldest open snapshot is known, whatever the order of closing", () => {
  const registry = new SnapshotRegistry();
  expect(registry.oldest).toBeUndefined();
  const [first, again, second, third] = [5, 5, 7, 9].map((timestamp) => registry.open(timestamp));
  const shared = second!.share();
  expect([registry.oldest, registry.openCount]).toEqual([5, 5]);

  first!.close();
  first!.close();
  expect(registry.oldest).toBe(5);
  again!.close();
  expect(registry.oldest).toBe(7);
  second!.close();
  expect(registry.oldest).toBe(7);
  third!.close();
  shared.close();
  expect([registry.oldest, registry.openCount]).toEqual([undefined, 0]);
});

test("a closed snapshot is of no more use", () => {
  const registry = new SnapshotRegistry();
  const snapshot = registry.open(3);
  {
    using held = snapshot.share();
    expect(held.isOpen).toBe(true);
  }
  expect(registry.openCount).toBe(1);
  snapshot.close();

  expect(snapshot.isOpen).toBe(false);
  expect(() => snapshot.requireOpen()).toThrow(codeIs("TXN_SNAPSHOT_CLOSED"));
  expect(() => snapshot.share()).toThrow(codeIs("TXN_SNAPSHOT_CLOSED"));
});

test("time goes forward: a snapshot before an open one is a bug", () => {
  const registry = new SnapshotRegistry();
  registry.open(7);
  expect(() => registry.open(6)).toThrow("in their order");
});

test("a snapshot shows the same through hundreds of writes, a checkpoint and vacuum", async () => {
  await withStore(newStorage(), async (store) => {
    for (let key = 0; key < 30; key++) await store.batch([put(`key ${key}`, `first ${key}`)]);
    const before = await contentOf(store);
    const snapshot = store.snapshot();
    for (let round = 0; round < 10; round++) {
      for (let key = 0; key < 30; key++) {
        await store.batch([put(`key ${key}`, `${round} `.repeat(50))]);
      }
      if (round === 5) await store.checkpoint();
    }

    expect(await contentOf(store, { snapshot })).toEqual(before);
    expect(store.stats().openSnapshots).toBe(1);
    snapshot.close();
    await expect(contentOf(store, { snapshot })).rejects.toThrow(codeIs("TXN_SNAPSHOT_CLOSED"));
    await expectSound(store);
  });
});
