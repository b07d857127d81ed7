import { createRandom } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { MAIN_TREE, type Store } from "../src/index.ts";
import { bytes, codeIs, contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function rows(count: number): Row[] {
  return Array.from({ length: count }, (_, at) => ({
    key: bytes(`row ${String(at).padStart(5, "0")}`),
    value: bytes(at % 50 === 7 ? `long ${at} `.repeat(300) : `value ${at}`),
  }));
}

const contentOfRows = (list: readonly Row[]): Record<string, string> =>
  Object.fromEntries(
    list.map(({ key, value }) => [
      String.fromCharCode(...key),
      [...value].map((code) => String.fromCharCode(code)).join(""),
    ]),
  );

test("a load is one batch: there from its answer on, for later readers, over a reopening", async () => {
  const storage = newStorage();
  const list = rows(2000);
  await withStore(storage, async (store) => {
    const before = store.snapshot();
    const { count, version } = await store.load(list);
    expect(count).toBe(2000);
    expect(store.publishedTs).toBe(version);
    expect(await contentOf(store, { snapshot: before })).toEqual({});
    expect((await store.getEntry(list[3]!.key))?.version).toBe(version);
    before.close();
    await store.batch([put("row 00003", "other")]);
    await store.close();
  });
  await withStore(storage, async (store) => {
    const expected = { ...contentOfRows(list), "row 00003": "other" };
    expect(await contentOf(store)).toEqual(expected);
    await expectSound(store);
  });
});

test("a tree with rows is not loaded, and a load that fails leaves nothing behind", async () => {
  await withStore(newStorage(), async (store) => {
    const unsorted = [...rows(800), ...rows(1)];
    await expect(store.load(unsorted)).rejects.toEqual(codeIs("BTREE_NOT_SORTED"));
    const long = [...rows(300), { key: bytes("z"), value: new Uint8Array((16 << 20) + 1) }];
    await expect(store.load(long)).rejects.toEqual(codeIs("TXN_VALUE_TOO_LARGE"));
    async function* broken(): AsyncGenerator<Row> {
      yield* rows(700);
      throw new Error("the source broke");
    }
    await expect(store.load(broken())).rejects.toThrow("the source broke");
    await expectSound(store);
    expect(await contentOf(store)).toEqual({});
    await store.batch([put("a", "b")]);
    await expect(store.load(rows(3))).rejects.toEqual(codeIs("TXN_TREE_NOT_EMPTY"));
    const other = await store.openTree("other");
    await expect(store.load(rows(10), 1)).rejects.toEqual(codeIs("TXN_UNKNOWN_TREE"));
    expect(await store.load(rows(10), other)).toMatchObject({ count: 10 });
    expect(await contentOf(store)).toEqual({ a: "b" });
    expect(MAIN_TREE).not.toBe(other);
  });
});

test("batches and checkpoints that are called for during a load come after it, and reads go on", async () => {
  await withStore(newStorage(), async (store) => {
    const list = rows(1500);
    const seen: (Uint8Array | undefined)[] = [];
    async function* slowly(): AsyncGenerator<Row> {
      for (const [at, row] of list.entries()) {
        if (at % 100 === 0) seen.push(await store.get(list[0]!.key));
        if (at === 700) void store.checkpoint();
        yield row;
      }
    }
    const loading = store.load(slowly());
    const batch = store.batch([put("row 00000", "after")]);
    const [{ version }, later] = await Promise.all([loading, batch]);
    expect(seen.every((value) => value === undefined)).toBe(true);
    expect(later.version).toBeGreaterThan(version);
    expect(await store.get(bytes("row 00000"))).toEqual(bytes("after"));
  });
});

/** Loads, and keeps an image of a power cut at the n-th call of the disk. */
async function crashAt(failing: number, list: readonly Row[]): Promise<SimStorage | undefined> {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    await store.batch([put("other", "o")]);
    await store.close();
  });
  let calls = 0;
  let image: SimStorage | undefined;
  let isLoading = false;
  const random = createRandom(failing + 1);
  const onCall = (): undefined => {
    if (!isLoading || calls++ !== failing) return;
    image = storage.sampleCrashImage(random, failing % 2 === 0 ? "worst-case" : "subset");
  };
  const hooks = { buggify: (site: string) => site === "wal.small-groups" };
  await withStore(
    storage,
    async (store) => {
      const tree = await store.openTree("loaded");
      isLoading = true;
      await store.load(list, tree);
      await store.checkpoint();
    },
    { world: { disk: { onCall }, hooks } },
  );
  return image;
}

async function loadedContent(store: Store): Promise<Record<string, string>> {
  const tree = store.trees().get("loaded");
  return tree === undefined ? {} : contentOf(store, { tree });
}

test("a power cut at any call of the disk leaves all rows or none, and no page without an owner", async () => {
  const list = rows(260);
  const outcomes = { none: 0, all: 0 };
  for (let failing = 0; ; failing += 3) {
    const image = await crashAt(failing, list);
    if (image === undefined) break;
    await withStore(image, async (store) => {
      const found = await loadedContent(store);
      const isAll = Object.keys(found).length > 0;
      expect(found).toEqual(isAll ? contentOfRows(list) : {});
      outcomes[isAll ? "all" : "none"]++;
      expect(await contentOf(store)).toEqual({ other: "o" });
      await expectSound(store);
    });
  }
  expect(outcomes.none).toBeGreaterThan(5);
  expect(outcomes.all).toBeGreaterThan(2);
});
