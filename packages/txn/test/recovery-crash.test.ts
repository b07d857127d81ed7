import { createRandom } from "@kvs/env";
import { type DiskCall, InstantWorld, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type RecoveryProgress, Store } from "../src/index.ts";
import {
  SMALL,
  bytes,
  contentOf,
  del,
  encodedAsIs,
  expectSound,
  newStorage,
  put,
  withStore,
} from "./fixture.ts";

/** Every second call: the images before and after it differ in one write. */
const STRIDE = 2;

/** Rows, deletes, and values with pages of their own. */
function bigBatch(): Mutation[] {
  const rows: Mutation[] = [];
  for (let at = 0; at < 24; at++) {
    rows.push(at % 5 === 0 ? del(`row ${at}`) : put(`row ${at}`, "n".repeat(500)));
  }
  rows.push(put("long 1", "l".repeat(5000)), put("long 2", "m".repeat(6000)));
  rows.push(put("short", "s"));
  return rows;
}

interface Crashed {
  readonly storage: SimStorage;
  readonly before: Record<string, string>;
}

/** A disk whose log ends in the middle of a batch, with pages of it written already. */
async function crashedInBatch(): Promise<Crashed> {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let before: Record<string, string> = {};
  let isWatched = false;
  const onCall = ({ operation }: DiskCall): undefined => {
    if (isWatched && operation === "writeDurableAt") images.push(storage.worstCase());
  };
  await withStore(
    storage,
    async (store) => {
      for (let at = 0; at < 24; at++) await store.batch([put(`row ${at}`, "o".repeat(500))]);
      await store.checkpoint();
      before = await contentOf(store);
      isWatched = true;
      await store.propose(encodedAsIs(bigBatch()));
    },
    { world: { disk: { onCall }, hooks: { buggify: (site) => site === "wal.small-groups" } } },
  );
  return { storage: images.at(-1)!, before }; // its commit record is in the last group
}

/** Opens, and crashes at the n-th call of the disk; tells whether there was one. */
async function crashAt(
  storage: SimStorage,
  failing: number,
  mutants: readonly string[],
): Promise<SimStorage | undefined> {
  let calls = 0;
  let image: SimStorage | undefined;
  const random = createRandom(failing);
  const onCall = (): undefined => {
    if (calls++ !== failing) return;
    image = storage.sampleCrashImage(
      random,
      failing % (2 * STRIDE) === 0 ? "worst-case" : "subset",
    );
  };
  const hooks = {
    buggify: (site: string) => site === "wal.small-groups" || site === "txn.small-redo-window",
    hasMutant: (name: string) => mutants.includes(name),
  };
  await withStore(storage, async () => undefined, { world: { disk: { onCall }, hooks } });
  return image;
}

async function crashRecoveryEverywhere(mutants: readonly string[]): Promise<number> {
  const { storage, before } = await crashedInBatch();
  let resumed = 0;
  const probe = (name: string): void => void (resumed += name === "txn.undo-resumed" ? 1 : 0);
  const hooks = { probe, hasMutant: (name: string) => mutants.includes(name) };
  for (let failing = 0; ; failing += STRIDE) {
    const once = await crashAt(storage.clone(), failing, mutants);
    if (once === undefined) break;
    // And once more, somewhere else, for recovery of a recovery.
    const isTwice = failing % 3 === 0;
    const twice = isTwice ? await crashAt(once.clone(), (failing * 7) % 90, mutants) : undefined;
    for (const image of twice === undefined ? [once] : [once, twice]) {
      try {
        await withStore(
          image,
          async (store) => {
            expect(await contentOf(store)).toEqual(before);
            await store.batch([put("after", "a".repeat(20_000))]);
            await expectSound(store);
          },
          { world: { hooks } },
        );
      } catch (error) {
        throw new Error(`call ${failing}`, { cause: error });
      }
    }
  }
  return resumed;
}

// REL-W17
test("a crash at each disk call of recovery, undo included, and of the recovery after it: the same state", async () => {
  expect(await crashRecoveryEverywhere([])).toBeGreaterThan(5);
}, 300_000);

test("that test finds txn.undo-next-ignored", async () => {
  await expect(crashRecoveryEverywhere(["txn.undo-next-ignored"])).rejects.toThrow();
}, 300_000);

test("recovery alone says what it did, and leaves a store that opens at once", async () => {
  const { storage, before } = await crashedInBatch();
  const seen = new Map<string, number>();
  const onProgress = ({ phase, doneBytes, totalBytes }: RecoveryProgress): void => {
    expect(doneBytes).toBeLessThanOrEqual(totalBytes);
    expect(doneBytes).toBeGreaterThanOrEqual(seen.get(phase) ?? 0);
    seen.set(phase, doneBytes);
  };
  const report = await new InstantWorld(storage).run((environment) =>
    Store.recover(environment, { ...SMALL, onProgress }),
  );
  storage.processDied();
  expect(report).toMatchObject({ wasClean: false, undoneBatches: 1 });
  expect(report.bytes).toBeGreaterThan(5000);
  expect(report.records).toBeGreaterThan(10);
  expect(report.opsRedone).toBeGreaterThan(10);
  expect([...seen.keys()]).toEqual(["analysis", "redo"]);

  await withStore(storage, async (store) => {
    expect(await contentOf(store)).toEqual(before);
    await store.close();
  });
});

test("a batch larger than the cache is on disk in part before it commits; a crash anywhere takes it back or keeps it whole", async () => {
  const store = { memoryBytes: 4 * 4096 };
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatched = false;
  let calls = 0;
  const onCall = (): undefined => {
    if (isWatched && ++calls % 7 === 0) images.push(storage.worstCase());
  };
  const contents = await withStore(
    storage,
    async (opened) => {
      for (let at = 0; at < 60; at++) await opened.batch([put(`row ${at}`, "o".repeat(600))]);
      const before = await contentOf(opened);
      isWatched = true;
      const rows = Array.from({ length: 60 }, (_, at) =>
        put(`row ${(at * 17) % 60}`, "n".repeat(600)),
      );
      await opened.propose(encodedAsIs(rows));
      isWatched = false;
      return { before, after: await contentOf(opened) };
    },
    { store, world: { disk: { onCall } } },
  );
  expect(images.length).toBeGreaterThan(30);
  for (const image of images) {
    await withStore(
      image,
      async (opened) => {
        const isThere = (await opened.get(bytes("row 0")))?.[0] === 110;
        expect(await contentOf(opened)).toEqual(isThere ? contents.after : contents.before);
        await expectSound(opened);
      },
      { store },
    );
  }
}, 240_000);
