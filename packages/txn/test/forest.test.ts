import { Probe } from "@kvs/btree";
import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";

import { CATALOG_TREE, encodeTreeEntry } from "../src/forest.ts";
import { openEngine } from "../src/open-store.ts";
import { repeatUntilDone } from "../src/attempt-mini.ts";
import { resolveStoreOptions } from "../src/store-options.ts";
import { SMALL, bytes, codeIs, newStorage, withStore } from "./fixture.ts";

/** Writes a row into the list of trees that no engine would write, and opens the store. */
async function openWithRow(value: Uint8Array, flags = 0): Promise<unknown> {
  const storage = newStorage();
  await withStore(storage, (store) => store.close());
  const world = new InstantWorld(storage);
  await world.run(async (environment) => {
    const engine = await openEngine(environment, resolveStoreOptions(SMALL));
    const { pager, mini, guard, forest, wal } = engine;
    const { writer } = forest.tree(CATALOG_TREE);
    const key = bytes("strange");
    writer.begin(new Probe().set(key, key.length, 7));
    const row = { flags, bytes: value, from: 0, to: value.length };
    await repeatUntilDone({ pager, mini, guard }, () => writer.insert(row, -1));
    await wal.sync();
  });
  storage.processDied();
  return withStore(storage, (store) => Promise.resolve([...store.trees().keys()]));
}

test("a row of the list of trees that makes no sense is refused", async () => {
  const damaged = codeIs("TXN_DAMAGED_CATALOG");
  await expect(openWithRow(new Uint8Array(0))).rejects.toThrow(damaged);
  await expect(openWithRow(new Uint8Array([9, 200]))).rejects.toThrow(damaged);
  await expect(openWithRow(new Uint8Array([9, 5, 1]))).rejects.toThrow(damaged);
  await expect(openWithRow(new Uint8Array(0), 0x800)).rejects.toThrow(damaged);
});

test("a row that makes sense is a tree", async () => {
  const { value } = encodeTreeEntry({ name: "strange", treeId: 2, rootId: 4 as never });
  expect(await openWithRow(value)).toEqual(["main", "strange"]);
});
