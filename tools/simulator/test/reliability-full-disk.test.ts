import { type Environment, type KvsError, createRandom, isKvsError, sleep } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { expect, test } from "vitest";
import { auditStore } from "../src/scenarios/storage/audit.ts";
import { MAIN, ModelledStore } from "../src/scenarios/storage/modelled-store.ts";
import { deletes, range } from "../src/scenarios/storage/script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";

const STORE: StoreOptions = {
  path: "store",
  memoryBytes: 16 * 4096,
  segmentBytes: 65_536,
  checkpointLogBytes: 256 << 10,
};
const DISK_BYTES = 4 << 20;
const BALLAST = "ballast";
const ROWS_PER_BATCH = 8;
const BATCHES_MAX = 4000;
/** Longer than a log that found no space waits before it tries again, and a checkpoint takes. */
const PAUSE_MS = 2000;

/** Writes until the disk is full. @returns The refusal. */
async function fill(open: ModelledStore): Promise<KvsError> {
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const from = batch * ROWS_PER_BATCH;
    try {
      await open.batch(range(from, from + ROWS_PER_BATCH, 700));
    } catch (error) {
      if (isKvsError(error)) return error;
      throw error;
    }
  }
  throw new Error("the disk never became full");
}

/** Whether a batch passes, now or after the store had a moment to clear up. */
async function passes(environment: Environment, batch: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      await batch();
      return true;
    } catch (error) {
      if (!isKvsError(error) || !error.retryable) throw error;
      await sleep(environment.clock, PAUSE_MS);
    }
  }
  return false;
}

async function openStore(environment: Environment, model: StoreModel): Promise<ModelledStore> {
  const open = await ModelledStore.open(environment, STORE, model);
  model.settle(await auditStore(open.store, model));
  return open;
}

// REL-W11
test("on a full disk reads go on, deletes pass, recovery works, and writes resume with the space", async () => {
  const storage = new SimStorage({ random: createRandom(1), totalBytes: DISK_BYTES });
  storage.writeFile(BALLAST, new Uint8Array(DISK_BYTES / 4).fill(1));
  const model = new StoreModel(MAIN);
  const live = async (body: (open: ModelledStore, world: Environment) => Promise<void>) => {
    const world = new InstantWorld(storage, { answers: "in-turn" });
    await world.run(async (environment) => body(await openStore(environment, model), environment));
    storage.processDied();
  };

  await live(async (open, environment) => {
    const refusal = await fill(open);
    expect(refusal).toMatchObject({ retryable: true, outcome: "none" });
    expect(["DISK_FULL", "WAL_DISK_FULL"]).toContain(refusal.code);
    await auditStore(open.store, model);
    expect(await passes(environment, () => open.batch(deletes(0, 40)))).toBe(true);
    await auditStore(open.store, model);
  });

  // The process died on the full disk: the next one recovers there, and deletes, too.
  await live(async (open, environment) => {
    await fill(open);
    expect(await passes(environment, () => open.batch(deletes(40, 80)))).toBe(true);
    storage.removeFile(BALLAST);
    for (let from = 0; from < 200; from += ROWS_PER_BATCH) {
      const rows = range(from, from + ROWS_PER_BATCH, 700);
      expect(await passes(environment, () => open.batch(rows))).toBe(true);
    }
    await auditStore(open.store, model);
    await open.store.close();
  });
});
