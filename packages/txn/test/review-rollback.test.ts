import { type Clock, type Random, createRandom, isKvsError, yieldTurn } from "@kvs/env";
import { type DiskCall, type DiskVerdict, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import { contentOf, del, encodedAsIs, expectSound, newStorage, put, withStore } from "./fixture.ts";

const FRAMES = [4, 5, 8];
const SEEDS = 16;

/** Rows all over the tree, with long values and deletes among them. */
function wildBatch(random: Random): Mutation[] {
  const keys = new Set<number>();
  while (keys.size < 40) keys.add(random.below(400));
  return [...keys].map((key) => {
    if (random.chance(0.2)) return del(`row ${key}`);
    return put(`row ${key}`, "n".repeat(random.chance(0.15) ? 20_000 : random.below(900)));
  });
}

/** What goes wrong with the disk in one run, by chance. */
class Trouble {
  isOn = false;
  readonly images: SimStorage[] = [];
  readonly #random: Random;
  readonly #storage: SimStorage;
  #readsLeft: number;
  /** Calls for which there is no space any more. */
  #fullFor = 0;

  constructor(storage: SimStorage, random: Random) {
    this.#storage = storage;
    this.#random = random;
    this.#readsLeft = 10 + random.below(60);
  }

  onCall({ operation, path }: DiskCall): DiskVerdict | undefined {
    if (!this.isOn) return undefined;
    const random = this.#random;
    if (random.chance(0.15)) {
      const mode = random.chance(0.5) ? "worst-case" : "subset";
      this.images.push(this.#storage.sampleCrashImage(random, mode));
    }
    if (["allocate", "open"].includes(operation)) {
      if (this.#fullFor === 0 && random.chance(0.2)) this.#fullFor = 1 + random.below(20);
      if (this.#fullFor > 0) {
        this.#fullFor--;
        return { type: "error", code: "DISK_FULL" };
      }
    }
    const isRead = operation === "readAt" && path.endsWith("pages.kvs");
    if (!isRead || this.#readsLeft-- !== 0) return undefined;
    return { type: "error", code: "DISK_IO" };
  }
}

async function filled(): Promise<SimStorage> {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 400; at += 8) {
      const rows = Array.from({ length: 8 }, (_, row) => put(`row ${at + row}`, "f".repeat(300)));
      await store.batch(rows);
    }
    await store.close();
  });
  return storage;
}

/** A batch that fails, with checkpoints and reads beside it. Returns whether it failed. */
async function rollBack(
  store: Store,
  clock: Clock,
  trouble: Trouble,
  random: Random,
): Promise<boolean> {
  const before = await contentOf(store);
  const state = { isOver: false };
  trouble.isOn = true;
  const checkpointing = (async (): Promise<void> => {
    while (!state.isOver) {
      for (let turn = random.below(60); turn >= 0; turn--) await yieldTurn(clock);
      await store.checkpoint().catch((error: unknown) => {
        if (!isKvsError(error, "DISK_FULL", "WAL_DISK_FULL")) throw error;
      });
    }
  })();
  const [batch] = await Promise.allSettled([store.propose(encodedAsIs(wildBatch(random)))]);
  state.isOver = true;
  await checkpointing;
  trouble.isOn = false;
  expect(store.isPoisoned).toBe(false);
  if (batch.status === "fulfilled") return false;
  expect(batch.reason).toMatchObject({ outcome: "none" });
  expect(await contentOf(store)).toEqual(before);
  return true;
}

test("a batch that fails is taken back with few frames, long values, a disk that is full at times, and checkpoints begun meanwhile", async () => {
  const made = await filled();
  const before = await withStore(made.clone(), (store) => contentOf(store));
  let failures = 0;
  let crashes = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = createRandom(seed);
    const storage = made.clone();
    const trouble = new Trouble(storage, random);
    const options = { memoryBytes: FRAMES[seed % FRAMES.length]! * 4096 };
    const onCall = (call: DiskCall): DiskVerdict | undefined => trouble.onCall(call);
    const hasFailed = await withStore(
      storage,
      async (store, { clock }) => {
        const result = await rollBack(store, clock, trouble, random);
        await store.batch([put("after", "a".repeat(15_000))]);
        return result;
      },
      { store: options, world: { answers: "in-turn", disk: { onCall } } },
    );
    if (!hasFailed) continue;
    failures++;
    for (const image of trouble.images) {
      crashes++;
      await withStore(
        image,
        async (store) => {
          expect(await contentOf(store)).toEqual(before);
          await store.batch([put("after", "a".repeat(15_000))]);
          await expectSound(store);
        },
        { store: options },
      );
    }
  }
  expect(failures).toBeGreaterThan(SEEDS / 3);
  expect(crashes).toBeGreaterThan(SEEDS);
});
