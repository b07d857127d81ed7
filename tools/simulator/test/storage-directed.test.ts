import { createRandom, sleep } from "@kvs/env";
import { type DiskCall, type DiskVerdict, InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { expect, test } from "vitest";
import { type CrashSubject, exploreCrashes } from "../src/scenarios/storage/crash-explorer.ts";
import { exploreFaults } from "../src/scenarios/storage/fault-explorer.ts";
import { HotCopies } from "../src/scenarios/storage/hot-copies.ts";
import { MAIN, ModelledStore } from "../src/scenarios/storage/modelled-store.ts";
import { Script, type ScriptStep, range } from "../src/scenarios/storage/script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";
import { toyKeyProvider } from "../src/scenarios/storage/toy-key-provider.ts";

/** Sabotages that chance meets too seldom: each has a script that meets it for certain. */
const STORE: StoreOptions = { path: "store", memoryBytes: 6 * 4096, segmentBytes: 4096 };
const SEALED: StoreOptions = { ...STORE, encryption: { provider: toyKeyProvider } };

const newStorage = (): SimStorage => new SimStorage({ random: createRandom(1) });

/** Copies taken while checkpoints follow each other. @returns What is wrong with them. */
async function copyAmidCheckpoints(mutants: readonly string[]): Promise<readonly string[]> {
  const model = new StoreModel(MAIN);
  const copies = new HotCopies({ model, store: STORE, mutants });
  const world = new InstantWorld(newStorage(), { answers: "in-turn", mutants });
  await world.run(async (environment) => {
    const script = new Script({ environment, store: STORE, model });
    let round = 0;
    const copySlowly: ScriptStep = () =>
      copies.take(script.store, async () => {
        round++;
        await script.batch(range(5 * round, 5 * round + 8, 400));
        await script.checkpoint();
      });
    await script.run([(first) => first.batch(range(0, 80, 300)), copySlowly, copySlowly]);
  });
  return copies.violations();
}

test("a copy holds the log that it needs, whatever is cut meanwhile", async () => {
  expect(await copyAmidCheckpoints([])).toEqual([]);
});

test("without the hold a copy fails (txn.copy-without-hold)", async () => {
  const outcome = copyAmidCheckpoints(["txn.copy-without-hold"]).then(
    (violations) => violations.join(),
    (error: unknown) => String(error),
  );
  expect(await outcome).not.toBe("");
});

/** A sealed store whose keys change amid writes. */
const ROTATION: CrashSubject = {
  store: SEALED,
  run: async (environment, model, hooks) => {
    const script = new Script({ environment, store: SEALED, model, hooks });
    await script.run([
      (first) => first.batch(range(0, 30, 300)),
      (next) => next.checkpoint(),
      (next) => Promise.all([next.rotate(), next.batch(range(3, 6, 200))]),
      (next) => next.batch(range(20, 24, 100)),
    ]);
    return script;
  },
};

function crashRotation(mutants: readonly string[]): ReturnType<typeof exploreCrashes> {
  return exploreCrashes(ROTATION, {
    mutants,
    images: function* (storage, random) {
      if (random.chance(0.3)) yield storage.sampleCrashImage(random, "keep-all");
    },
  });
}

test("a power cut amid a change of keys leaves every page with a key", async () => {
  const { violations, recoveries } = await crashRotation([]);

  expect(violations).toEqual([]);
  expect(recoveries).toBeGreaterThan(20);
});

test("a key that goes too early takes pages with it (txn.destroy-key-early)", async () => {
  const { violations } = await crashRotation(["txn.destroy-key-early"]);

  expect(violations.join("\n")).toMatch(/KEY|WAL_DAMAGED/);
});

/** What a reader sees of a batch whose log is still on its way to the disk. */
async function readEarly(mutants: readonly string[]): Promise<Uint8Array | undefined> {
  let isStalling = false;
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    isStalling && operation === "writeDurableAt" ? { type: "delay", micros: 1e6 } : undefined;
  const world = new InstantWorld(newStorage(), { mutants, disk: { onCall } });
  return world.run(async (environment) => {
    const open = await ModelledStore.open(environment, STORE, new StoreModel(MAIN));
    isStalling = true;
    const answer = open.batch(range(0, 1, 10));
    await sleep(environment.clock, 10);
    const value = open.store.getSync(range(0, 1, 0)[0]!.key);
    await answer;
    return value;
  });
}

test("a reader sees nothing of a batch that is not durable", async () => {
  expect(await readEarly([])).toBeUndefined();
});

test("a reader sees it all the same (txn.publish-early)", async () => {
  expect((await readEarly(["txn.publish-early"]))?.length).toBe(10);
});

/** Batches over more pages than there are frames: what fails in their midst was partly logged. */
const WIDE: CrashSubject = {
  store: { ...STORE, memoryBytes: 4 * 4096, segmentBytes: 65_536 },
  run: async (environment, model, hooks) => {
    const script = new Script({ environment, store: WIDE.store, model, hooks });
    await script.run([
      (first) => first.batch(range(0, 60, 400)),
      (next) => next.batch(range(0, 60, 30)),
      (next) => next.batch(range(10, 12, 20)),
    ]);
    return script;
  },
};

const ERRORS = { faults: ["error"], isLasting: false } as const;

test("a batch that a read error stops half way is taken back at once", async () => {
  const { violations, failedRuns } = await exploreFaults(WIDE, ERRORS);

  expect(violations).toEqual([]);
  expect(failedRuns).toBeGreaterThan(20);
});

test("if it is not taken back, its rows come to light (txn.skip-live-undo)", async () => {
  const { violations } = await exploreFaults(WIDE, { ...ERRORS, mutants: ["txn.skip-live-undo"] });

  expect(violations.length).toBeGreaterThan(0);
});
