import { createRandom } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { expect, test } from "vitest";
import { MAIN } from "../src/scenarios/storage/modelled-store.ts";
import { Script, type ScriptStep, deletes, range } from "../src/scenarios/storage/script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";

const STORE: StoreOptions = {
  path: "store",
  memoryBytes: 32 * 4096,
  segmentBytes: 65_536,
  checkpointLogBytes: 256 << 10,
};

/** Lives a script in one world and tells how long the store's files are afterwards. */
async function sizesAfter(
  live: (script: Script) => readonly ScriptStep[],
): Promise<{ readonly pages: number; readonly logBytes: number }> {
  const storage = new SimStorage({ random: createRandom(1) });
  await new InstantWorld(storage, { answers: "in-turn" }).run(async (environment) => {
    const script = new Script({ environment, store: STORE, model: new StoreModel(MAIN) });
    await script.run(live(script));
  });
  const sizeOf = (path: string): number => storage.readFile(path).length;
  const log = storage.files().filter((path) => path.startsWith("store/log/"));
  return {
    pages: sizeOf("store/pages.kvs") / 4096,
    logBytes: log.reduce((sum, path) => sum + sizeOf(path), 0),
  };
}

/** Rows of all lengths, 1.5 MB of them. */
const fill: ScriptStep = async (script) => {
  for (let from = 0; from < 400; from += 20) await script.batch(range(from, from + 20, 900));
  for (let from = 400; from < 460; from += 6) await script.batch(range(from, from + 6, 20_000));
};
const clear: ScriptStep = async (script) => {
  for (let from = 0; from < 460; from += 20) await script.batch(deletes(from, from + 20));
};
/** The janitor works through what was deleted; checkpoints give back what it freed. */
const settle: readonly ScriptStep[] = Array.from({ length: 20 }, () => async (script: Script) => {
  await script.rest();
  await script.checkpoint();
});

/** Free pages that a file keeps at its end, and a few for what is left of the trees. */
const EMPTY_PAGES_MAX = 48;
/** Segments in use, spare and kept for a full disk. */
const LOG_BYTES_MAX = 16 * 65_536;

// REL-P11
test("what was deleted goes, and the file and the log are short again", async () => {
  const full = await sizesAfter(() => [fill]);
  const empty = await sizesAfter(() => [fill, clear, ...settle]);

  expect(full.pages).toBeGreaterThan(350);
  expect(empty.pages).toBeLessThan(EMPTY_PAGES_MAX);
  expect(empty.logBytes).toBeLessThan(LOG_BYTES_MAX);
});

// REL-P11
test("versions that only snapshots needed make room for new ones: rows written anew take no more", async () => {
  const write = (script: Script): Promise<unknown> => script.batch(range(0, 100, 500));
  const held = Array.from({ length: 12 }, () => [(script: Script) => script.hold(), write]).flat();
  const release = (script: Script): Promise<unknown> => script.release();
  const free = Array.from({ length: 40 }, () => write);

  const grown = await sizesAfter(() => [...held, release, ...settle]);
  const later = await sizesAfter(() => [...held, release, ...free, ...settle]);

  expect(grown.pages).toBeGreaterThan(200);
  expect(later.pages).toBeLessThanOrEqual(grown.pages);
  expect(later.logBytes).toBeLessThan(LOG_BYTES_MAX);
});
