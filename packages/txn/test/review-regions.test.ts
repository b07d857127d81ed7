import { BITMAP_BITS } from "@kvs/pager";
import { InstantWorld } from "@kvs/sim";
import { expect, test } from "vitest";

import { Checkpointer } from "../src/checkpoint.ts";
import { openEngine } from "../src/open-store.ts";
import { Publisher } from "../src/publisher.ts";
import { resolveStoreOptions } from "../src/store-options.ts";
import { SMALL, contentOf, expectSound, newStorage, put, withStore } from "./fixture.ts";

test("a region that begins during a checkpoint may be lost with the log's tail", async () => {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    await store.batch([put("key", "value")]);
    await store.close();
  });

  let beginRegion: () => void = () => undefined;
  const probe = (name: string): void => {
    if (name === "txn.checkpoint-flushed") beginRegion();
  };
  const world = new InstantWorld(storage, { hooks: { probe } });
  await world.run(async (environment) => {
    const engine = await openEngine(
      environment,
      resolveStoreOptions({ ...SMALL, memoryBytes: 2 << 20 }),
    );
    const { pager, mini, analysis } = engine;
    const publisher = new Publisher(analysis.committedTs);
    const checkpointer = new Checkpointer({ ...engine, environment, publisher });
    await pager.grow(BITMAP_BITS + 2000);
    pager.space.take(BITMAP_BITS - 1000);
    beginRegion = () => {
      while (pager.space.regionCount === 1) {
        mini.startAttempt();
        mini.allocateRun(200);
        mini.begin("none");
        mini.end();
      }
    };
    await checkpointer.run();
    expect(pager.space.regionCount).toBe(2);
  });
  const image = storage.worstCase();

  await withStore(image, async (store) => {
    expect(await contentOf(store)).toEqual({ key: "value" });
    await expectSound(store);
  });
});
