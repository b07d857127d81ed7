import { type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import { contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

/** Rows in an order that jumps about, so that a small cache misses again and again. */
function longBatch(): Mutation[] {
  const rows = Array.from({ length: 120 }, (_, at) =>
    put(`row ${(at * 37) % 120}`, "n".repeat(500)),
  );
  return [...rows, put("long", "l".repeat(30_000))];
}

/** Every so many-th call is looked at: a prime, so that all kinds of calls are. */
const STRIDE = 47;

/** The disk at calls from the time when a checkpoint begins in the middle of a long batch. */
async function imagesOfCheckpoint(mutants: readonly string[]): Promise<{
  readonly images: readonly SimStorage[];
  readonly before: Record<string, string>;
  readonly after: Record<string, string>;
}> {
  const storage = newStorage();
  const images: SimStorage[] = [];
  let isWatched = false;
  let calls = 0;
  const onCall = (): undefined => {
    if (isWatched && ++calls % STRIDE === 0) images.push(storage.worstCase());
  };
  const hasMutant = (name: string): boolean => mutants.includes(name);
  const contents = await withStore(
    storage,
    async (store) => {
      for (let at = 0; at < 120; at++) await store.batch([put(`row ${at}`, "o".repeat(500))]);
      const before = await contentOf(store);
      const state = { isUnderWay: true };
      const batch = store.batch(longBatch()).finally(() => (state.isUnderWay = false));
      isWatched = true;
      let checkpoints = 0;
      while (state.isUnderWay) {
        await store.checkpoint();
        checkpoints++;
      }
      await batch;
      isWatched = false;
      expect(checkpoints).toBeGreaterThan(4);
      return { before, after: await contentOf(store) };
    },
    {
      store: { segmentBytes: 4096 },
      world: { answers: "in-turn", disk: { onCall }, hooks: { hasMutant } },
    },
  );
  return { images, ...contents };
}

async function expectAllOrNothing(mutants: readonly string[]): Promise<number> {
  const { images, before, after } = await imagesOfCheckpoint(mutants);
  for (const [at, image] of images.entries()) {
    try {
      const look = async (store: Store): Promise<void> => {
        const content = await contentOf(store);
        expect(content).toEqual(content["long"] === undefined ? before : after);
        await expectSound(store);
      };
      await withStore(image, look, { store: { segmentBytes: 4096 } });
    } catch (error) {
      throw new Error(`image ${at} of ${images.length}`, { cause: error });
    }
  }
  return images.length;
}

// REL-W18
test("a crash between the begin and the end of checkpoints, a batch under way: the log is never cut too early", async () => {
  expect(await expectAllOrNothing([])).toBeGreaterThan(10);
}, 240_000);

for (const mutant of ["txn.truncate-log-early", "txn.checkpoint-skips-page"]) {
  test(`that test finds ${mutant}`, async () => {
    await expect(expectAllOrNothing([mutant])).rejects.toThrow();
  }, 240_000);
}
