import { type DiskErrorCode, sleep } from "@kvs/env";
import { type DiskCall, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import {
  bytes,
  codeIs,
  contentOf,
  del,
  encodedAsIs,
  expectSound,
  newStorage,
  put,
  withStore,
} from "./fixture.ts";

interface Verdict {
  readonly type: "error";
  readonly code: DiskErrorCode;
}

/** Rows all over the tree, deletes among them, and a value with pages of its own in the middle. */
function wideBatch(): Mutation[] {
  const rows: Mutation[] = [];
  for (let at = 0; at < 60; at += 3) rows.push(put(`row ${at}`, "n".repeat(600)));
  rows.push(put("long", "l".repeat(30_000)));
  for (let at = 1; at < 60; at += 6) rows.push(del(`row ${at}`));
  rows.push(put("zz last", "z"));
  return rows;
}

async function fill(store: Store): Promise<void> {
  for (let at = 0; at < 60; at++) await store.batch([put(`row ${at}`, "f".repeat(600))]);
}

/** Calls `attempt` with the number of the read that is to fail, until none fails any more. */
async function forEachRead(
  attempt: (
    fails: (call: DiskCall) => Verdict | undefined,
    arm: (isArmed: boolean) => void,
  ) => Promise<void>,
): Promise<number> {
  for (let failing = 0; ; failing++) {
    let reads = -1;
    let hasFailed = false;
    const fails = (call: DiskCall): Verdict | undefined => {
      if (reads < 0 || call.operation !== "readAt" || !call.path.endsWith("pages.kvs"))
        return undefined;
      if (reads++ !== failing) return undefined;
      hasFailed = true;
      return { type: "error", code: "DISK_IO" };
    };
    await attempt(fails, (isArmed) => (reads = isArmed ? 0 : -1));
    if (!hasFailed) return failing;
  }
}

/** Lets every read of a long batch fail in turn, with another batch behind it. */
async function failEveryRead(
  mutants: readonly string[],
): Promise<{ count: number; undone: number }> {
  let undone = 0;
  const hasMutant = (name: string): boolean => mutants.includes(name);
  const probe = (name: string): void => void (undone += name === "txn.live-undo" ? 1 : 0);
  const filled = newStorage();
  await withStore(filled, async (store) => {
    await fill(store);
    await store.close();
  });
  const count = await forEachRead(async (onCall, arm) => {
    const storage = filled.clone();
    await withStore(
      storage,
      async (store) => {
        const before = await contentOf(store);
        arm(true);
        const wide = store.propose(encodedAsIs(wideBatch()));
        const later = store.batch([put("later", "1"), put("row 3", "later")]);
        const [failed, last] = await Promise.allSettled([wide, later]);
        arm(false);
        expect(store.isPoisoned).toBe(false);
        if (failed.status === "rejected") {
          expect(failed.reason).toMatchObject({ code: "DISK_IO", outcome: "none" });
          expect(last.status).toBe("fulfilled");
          expect(await contentOf(store)).toEqual({ ...before, later: "1", "row 3": "later" });
        }
        await expectSound(store);
        await store.propose(encodedAsIs(wideBatch()));
        expect((await store.get(bytes("long")))?.length).toBe(30_000);
        await expectSound(store);
      },
      { world: { disk: { onCall }, hooks: { probe, hasMutant } } },
    );
    await withStore(storage.worstCase(), async (store) => {
      expect((await store.get(bytes("zz last")))?.length).toBe(1);
      await expectSound(store);
    });
  });
  return { count, undone };
}

test("a batch that meets an unreadable page half way is taken back at once, and the store lives on", async () => {
  const { count, undone } = await failEveryRead([]);
  expect(count).toBeGreaterThan(10);
  expect(undone).toBeGreaterThan(10);
});

test("that test finds txn.skip-live-undo", async () => {
  await expect(failEveryRead(["txn.skip-live-undo"])).rejects.toThrow();
});

test("a tree that is half made is taken back at once", async () => {
  const filled = newStorage();
  await withStore(filled, async (store) => {
    // So many trees that the catalog has several leaves.
    for (let at = 0; at < 40; at++) await store.openTree(`tree ${at} ${"t".repeat(200)}`);
    await fill(store);
    await store.close();
  });
  let failures = 0;
  await forEachRead(async (onCall, arm) => {
    await withStore(
      filled.clone(),
      async (store) => {
        await contentOf(store); // the catalog leaves the cache
        arm(true);
        const name = `tree 17 ${"u".repeat(200)}`;
        try {
          await store.openTree(name);
        } catch (error) {
          expect(error).toMatchObject({ code: "DISK_IO", outcome: "none" });
          failures++;
        }
        arm(false);
        expect(store.isPoisoned).toBe(false);
        await expectSound(store);
        const tree = await store.openTree(name);
        await store.batch([put("key", "value", tree)]);
        await expectSound(store);
      },
      { store: { memoryBytes: 4 * 4096 }, world: { disk: { onCall } } },
    );
  });
  expect(failures).toBeGreaterThan(1);
});

/** The disk after each call that a failing batch, its undo and a checkpoint beside it make. */
async function imagesOfUndo(mutants: readonly string[]): Promise<{
  readonly images: readonly SimStorage[];
  readonly before: Record<string, string>;
}> {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let before: Record<string, string> = {};
  let isBroken = false;
  let isWatched = false;
  let reads = 0;
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (isWatched) images.push(storage.worstCase());
    if (!isBroken || call.operation !== "readAt" || !call.path.endsWith("pages.kvs"))
      return undefined;
    if (++reads !== 25) return undefined;
    isBroken = false;
    return { type: "error", code: "DISK_IO" };
  };
  const hooks = {
    buggify: (site: string) => site === "wal.small-groups",
    hasMutant: (name: string) => mutants.includes(name),
  };
  await withStore(
    storage,
    async (store, { clock }) => {
      await fill(store);
      await store.checkpoint();
      before = await contentOf(store);
      isBroken = true;
      isWatched = true;
      const failed = store.propose(encodedAsIs(wideBatch()));
      const checkpoints: Promise<void>[] = [];
      const checkpointing = (async () => {
        for (let at = 0; at < 3; at++) {
          await sleep(clock, 0.01);
          checkpoints.push(store.checkpoint());
        }
      })();
      await expect(failed).rejects.toMatchObject({ code: "DISK_IO", outcome: "none" });
      await checkpointing;
      await Promise.all(checkpoints);
      // The pages that were given back are used again: who frees them once more is found out.
      await store.batch([put("after", "a".repeat(20_000))]);
      isWatched = false;
    },
    { world: { answers: "in-turn", disk: { onCall }, hooks } },
  );
  return { images, before };
}

async function expectNoTrace(images: readonly SimStorage[], before: object): Promise<void> {
  for (const [at, image] of images.entries()) {
    try {
      await withStore(image, async (store) => {
        const { after: _, ...content } = await contentOf(store);
        expect(content).toEqual(before);
        await expectSound(store);
      });
    } catch (error) {
      throw new Error(`image ${at} of ${images.length}`, { cause: error });
    }
  }
}

// REL-W17
test("a crash anywhere while a batch is taken back, checkpoints begun meanwhile: recovery ends it", async () => {
  const { images, before } = await imagesOfUndo([]);
  expect(images.length).toBeGreaterThan(100);
  await expectNoTrace(images, before);
}, 240_000);

test("the crashes of that test find txn.skip-compensation", async () => {
  const find = async (): Promise<void> => {
    const { images, before } = await imagesOfUndo(["txn.skip-compensation"]);
    await expectNoTrace(images, before);
  };
  await expect(find()).rejects.toThrow();
}, 240_000);

test("undo that meets a damaged page poisons the store, and the next open recovers it", async () => {
  const storage = newStorage();
  let isBroken = false;
  let reads = 0;
  const onCall = (call: DiskCall): Verdict | undefined => {
    if (!isBroken || call.operation !== "readAt" || !call.path.endsWith("pages.kvs"))
      return undefined;
    return ++reads < 12 ? undefined : { type: "error", code: "DISK_IO" };
  };
  let before: Record<string, string> = {};
  await withStore(
    storage,
    async (store) => {
      await fill(store);
      before = await contentOf(store);
      isBroken = true;
      const failed = store.propose(encodedAsIs(wideBatch()));
      await expect(failed).rejects.toMatchObject({ code: "TXN_POISONED", outcome: "none" });
      expect(store.isPoisoned).toBe(true);
      await expect(store.batch([put("key", "")])).rejects.toThrow(codeIs("TXN_POISONED"));
    },
    { store: { memoryBytes: 4 * 4096 }, world: { disk: { onCall } } },
  );
  await withStore(storage, async (store) => {
    expect(await contentOf(store)).toEqual(before);
    await expectSound(store);
  });
});

test("leaves that undo left empty are merged away soon", async () => {
  const storage = newStorage();
  let isFull = false;
  const onCall = (call: DiskCall): Verdict | undefined => {
    const grows = call.operation === "allocate" && call.path.includes("pages");
    return isFull && grows ? { type: "error", code: "DISK_FULL" } : undefined;
  };
  await withStore(
    storage,
    async (store, { clock }) => {
      await store.batch([put("a", ""), put("z", "")]);
      const rows = Array.from({ length: 3000 }, (_, at) => put(`row ${at * 7919}`, "r".repeat(40)));
      await store.batch(rows.slice(0, 600)); // the file is large then,
      await store.batch(rows.slice(0, 600).map(({ key }) => ({ type: "delete", key })));
      await sleep(clock, 60_000); // and empty
      const free = store.stats().freePages;
      isFull = true;
      await expect(store.batch(rows)).rejects.toMatchObject({ code: "DISK_FULL", outcome: "none" });
      await sleep(clock, 60_000);
      expect(store.stats().freePages).toBeGreaterThanOrEqual(free - 2);
      await expectSound(store);
    },
    { store: { memoryBytes: 64 * 4096, segmentBytes: 1 << 20 }, world: { disk: { onCall } } },
  );
});

/** A disk on which a batch fails half way, and which takes no page at the same time. */
function brokenAndFull(): {
  readonly state: { isArmed: boolean; isFull: boolean };
  readonly onCall: (call: DiskCall) => Verdict | undefined;
} {
  const state = { isArmed: false, isFull: false };
  let reads = 0;
  const onCall = ({ operation, path }: DiskCall): Verdict | undefined => {
    if (!path.endsWith("pages.kvs")) return undefined;
    if (state.isFull && operation === "writeAt") return { type: "error", code: "DISK_FULL" };
    if (!state.isArmed || operation !== "readAt" || ++reads !== 12) return undefined;
    state.isArmed = false;
    state.isFull = true;
    return { type: "error", code: "DISK_IO" };
  };
  return { state, onCall };
}

test("undo that finds no room for its pages waits until there is some", async () => {
  const { state, onCall } = brokenAndFull();
  await withStore(
    newStorage(),
    async (store, { clock }) => {
      await fill(store);
      const before = await contentOf(store);
      state.isArmed = true;
      const failed = store.propose(encodedAsIs(wideBatch()));
      failed.catch(() => undefined);
      await sleep(clock, 3000);
      expect(state.isFull).toBe(true);
      expect(store.isPoisoned).toBe(false);
      state.isFull = false;

      await expect(failed).rejects.toMatchObject({ code: "DISK_IO", outcome: "none" });

      expect(await contentOf(store)).toEqual(before);
      await store.batch([put("later", "1")]);
      await expectSound(store);
    },
    { store: { memoryBytes: 4 * 4096 }, world: { disk: { onCall } } },
  );
});

test("a store that is closed while undo waits for room leaves the rest to recovery", async () => {
  const { state, onCall } = brokenAndFull();
  const storage = newStorage();
  let before: Record<string, string> = {};
  await withStore(
    storage,
    async (store, { clock }) => {
      await fill(store);
      before = await contentOf(store);
      state.isArmed = true;
      const failed = store.propose(encodedAsIs(wideBatch()));
      const answer = expect(failed).rejects.toMatchObject({ outcome: "none" });
      await sleep(clock, 1000);
      expect(state.isFull).toBe(true);
      await store.close().catch(() => undefined);
      await answer;
    },
    { store: { memoryBytes: 4 * 4096 }, world: { disk: { onCall } } },
  );
  await withStore(storage, async (store) => {
    expect(await contentOf(store)).toEqual(before);
    await expectSound(store);
  });
});
