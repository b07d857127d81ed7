import { createRandom } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { expect, test } from "vitest";
import { findCanary } from "../src/scenarios/storage/canary.ts";
import { HotCopies } from "../src/scenarios/storage/hot-copies.ts";
import { LONG_SCRIPT } from "../src/scenarios/storage/long-script.ts";
import { MAIN } from "../src/scenarios/storage/modelled-store.ts";
import { Script, deletes, range } from "../src/scenarios/storage/script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";
import { toyKeyProvider } from "../src/scenarios/storage/toy-key-provider.ts";

const SEALED = { encryption: { provider: toyKeyProvider } };

/** Runs the long script, and listens at every so many-th disk call at images of a power cut. */
async function listen(
  more: Partial<StoreOptions>,
): Promise<{ readonly images: number; readonly heard: number }> {
  const storage = new SimStorage({ random: createRandom(1) });
  const random = createRandom(2);
  const found = { calls: 0, images: 0, heard: 0 };
  const onCall = (): undefined => {
    if (found.calls++ % 97 !== 0) return;
    for (const mode of [undefined, "keep-all"] as const) {
      found.images++;
      if (findCanary(storage.sampleCrashImage(random, mode)) !== undefined) found.heard++;
    }
  };
  await new InstantWorld(storage, { answers: "in-turn", disk: { onCall } }).run((environment) =>
    LONG_SCRIPT.run(environment, new StoreModel(MAIN), {}, more),
  );
  return found;
}

test("no image of a sealed store shows a value, with and without compression", async () => {
  for (const more of [SEALED, { ...SEALED, compression: { values: true, log: true } }]) {
    const { images, heard } = await listen(more);
    expect(images).toBeGreaterThan(20);
    expect(heard).toBe(0);
  }
});

test("the images of a plain store do: whoever listens can hear", async () => {
  const { images, heard } = await listen({});
  expect(heard).toBeGreaterThan(images / 2);
});

test("keys change and copies are taken between batches, and all is as the model says", async () => {
  const storage = new SimStorage({ random: createRandom(1) });
  const store = { path: "store", memoryBytes: 8 * 4096, segmentBytes: 16_384, ...SEALED };
  const model = new StoreModel(MAIN);
  const copies = new HotCopies({ model, store });
  await new InstantWorld(storage, { answers: "in-turn" }).run(async (environment) => {
    const script = new Script({ environment, store, model, hooks: { copies } });
    await script.run([
      () => script.batch(range(0, 40, 300)),
      () => Promise.all([script.rotate(), script.batch(range(5, 15, 5000))]),
      () => Promise.all([script.copy(), script.together(range(20, 30, 600))]),
      () => script.reopen(),
      () => Promise.all([script.rotate(), script.copy(), script.batch(deletes(0, 20))]),
      () => script.batch(range(10, 20, 80)),
    ]);
    expect(script.operations).toBe(6);
  });

  expect(await copies.violations()).toEqual([]);
  expect(copies.restored).toBe(2);
});
