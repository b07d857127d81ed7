import { createRandom, isKvsError } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";
import { StorageViolation } from "../src/scenarios/storage/audit.ts";
import { MAIN, ModelledStore } from "../src/scenarios/storage/modelled-store.ts";
import { recover } from "../src/scenarios/storage/recover.ts";
import { deletes, range } from "../src/scenarios/storage/script.ts";
import { type Allowance, StoreModel } from "../src/scenarios/storage/store-model.ts";

const STORE = { path: "store", memoryBytes: 5 * 4096, segmentBytes: 65_536 };
const PAGES = "store/pages.kvs";

/** A disk as it was at a moment at which no process used it, and what was answered until then. */
interface Moment {
  readonly storage: SimStorage;
  readonly allowed: Allowance;
}

/** Lives of one store, each closed or killed, with a copy of its disk after each. */
async function liveLives(): Promise<{ moments: readonly Moment[]; model: StoreModel }> {
  const storage = new SimStorage({ random: createRandom(1) });
  const model = new StoreModel(MAIN);
  const moments: Moment[] = [];
  for (let life = 0; life < 6; life++) {
    const world = new InstantWorld(storage, { answers: "in-turn" });
    await world.run(async (environment) => {
      const open = await ModelledStore.open(environment, STORE, model);
      for (let batch = 0; batch < 6; batch++) {
        await open.batch([...range(3 * batch, 3 * batch + 4, 300 + life), ...deletes(40, 41)]);
        if (batch === 3) await open.store.checkpoint();
      }
      if (life % 2 === 0) await open.store.close();
    });
    storage.processDied();
    moments.push({ storage: storage.clone(), allowed: model.allowance() });
  }
  return { moments, model };
}

/** One life without a checkpoint, with a copy of its disk after each batch: pages go out all the time. */
async function liveOnce(): Promise<{ moments: readonly Moment[]; model: StoreModel }> {
  const storage = new SimStorage({ random: createRandom(1) });
  const model = new StoreModel(MAIN);
  const moments: Moment[] = [];
  const world = new InstantWorld(storage, { answers: "in-turn" });
  await world.run(async (environment) => {
    const open = await ModelledStore.open(environment, STORE, model);
    await open.batch(range(0, 60, 700));
    await open.store.checkpoint();
    for (let batch = 0; batch < 12; batch++) {
      await open.batch(range(5 * batch, 5 * batch + 1, 700));
      moments.push({ storage: storage.clone(), allowed: model.allowance() });
    }
  });
  return { moments, model };
}

/** A copy of `into` with the page file, or the log, of `from`. */
function mix(into: SimStorage, from: SimStorage, part: "pages" | "log"): SimStorage {
  const mixed = into.clone();
  const isPart = (path: string): boolean => (path === PAGES) === (part === "pages");
  for (const path of mixed.files()) if (isPart(path)) mixed.removeFile(path);
  for (const path of from.files()) if (isPart(path)) mixed.writeFile(path, from.readFile(path));
  return mixed;
}

/** What a store says that is opened on such a disk: a code, or the batch whose state it has. */
async function openMixed(
  storage: SimStorage,
  model: StoreModel,
  options: { readonly allowed: Allowance; readonly mutants: readonly string[] },
): Promise<string | number> {
  const random = createRandom(1);
  try {
    return await recover(storage, model, { store: STORE, random, ...options });
  } catch (error) {
    if (isKvsError(error)) return error.code;
    if (error instanceof StorageViolation) return `WRONG: ${error.message}`;
    throw error;
  }
}

/** What becomes of every mixture of a moment with an older one. */
async function outcomesOfMixing(
  part: "pages" | "log",
  mutants: readonly string[] = [],
): Promise<readonly (string | number)[]> {
  const outcomes: (string | number)[] = [];
  for (const { moments, model } of [await liveLives(), await liveOnce()]) {
    for (const [at, newer] of moments.entries()) {
      for (const older of moments.slice(0, at)) {
        const { acknowledged } = part === "log" ? older.allowed : newer.allowed;
        const allowed = { ...newer.allowed, acknowledged };
        const mixed = mix(newer.storage, older.storage, part);
        outcomes.push(await openMixed(mixed, model, { allowed, mutants }));
      }
    }
  }
  return outcomes;
}

// REL-W22
test("a whole directory that went back in time is a sound older store: one node cannot know", async () => {
  const { moments, model } = await liveLives();
  for (const { storage, allowed } of moments) {
    const outcome = await openMixed(storage.clone(), model, { allowed, mutants: [] });
    expect(outcome).toBe(allowed.acknowledged);
  }
});

// REL-W22
test("a page file that went back alone is refused, or brought up to date by the log", async () => {
  const outcomes = await outcomesOfMixing("pages");

  expect(new Set(outcomes.filter((outcome) => typeof outcome === "string"))).toEqual(
    new Set(["WAL_DAMAGED"]),
  );
  expect(outcomes.filter((outcome) => typeof outcome === "number").length).toBeGreaterThan(10);
});

// REL-W22
test("a log that went back alone is refused, told by a page, or a sound older store", async () => {
  const outcomes = await outcomesOfMixing("log");

  const codes = new Set(outcomes.filter((outcome) => typeof outcome === "string"));
  expect(codes).toEqual(new Set(["WAL_DAMAGED", "PAGER_CORRUPT_PAGE"]));
});

test("without a look at the log's end, pages from the future are believed (pager.ignore-log-end)", async () => {
  const outcomes = await outcomesOfMixing("log", ["pager.ignore-log-end"]);

  expect(outcomes).toContain("WRONG: a batch after recovery changed other rows than its own");
});
