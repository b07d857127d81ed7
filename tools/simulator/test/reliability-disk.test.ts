import { type Environment, type KvsError, createRandom, isKvsError, sleep } from "@kvs/env";
import { type DiskCall, type DiskVerdict, InstantWorld, SimStorage } from "@kvs/sim";
import { Store } from "@kvs/txn";
import { expect, test } from "vitest";
import { AcknowledgementOracle } from "../src/scenarios/storage/acknowledgement-oracle.ts";
import { MAIN, ModelledStore } from "../src/scenarios/storage/modelled-store.ts";
import { recover } from "../src/scenarios/storage/recover.ts";
import { range } from "../src/scenarios/storage/script.ts";
import { SHORT_SCRIPT } from "../src/scenarios/storage/short-script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";

const STORE = { path: "store", memoryBytes: 8 * 4096, segmentBytes: 16_384 };
/** Segments are opened under other names than they end up with. */
const LOG = "store/log/";
const SYNCS: ReadonlySet<string> = new Set(["writeDurableAt", "datasync", "syncDirectory"]);

const newStorage = (): SimStorage => new SimStorage({ random: createRandom(1) });

/** One sync in so many fails, each in a life of its own. */
const STRIDE = 3;

async function countSyncs(): Promise<number> {
  let syncs = 0;
  const onCall = ({ operation }: DiskCall): undefined => void (SYNCS.has(operation) && syncs++);
  const world = new InstantWorld(newStorage(), { answers: "in-turn", disk: { onCall } });
  await world.run((environment) => SHORT_SCRIPT.run(environment, new StoreModel(MAIN), {}));
  return syncs;
}

/** What a life came to in which one sync failed, once, and every later one was answered well. */
async function liveWithFailedSync(
  failing: number,
): Promise<{ violations: readonly string[]; answeredAfter: number; hasFailed: boolean }> {
  const storage = newStorage();
  const model = new StoreModel(MAIN);
  const oracle = new AcknowledgementOracle(model, SHORT_SCRIPT.store);
  let syncs = 0;
  let isLogBroken = false;
  let answeredAfter = 0;
  const onCall = ({ operation, path }: DiskCall): DiskVerdict | undefined => {
    if (operation === "lock") isLogBroken = false; // another opening
    if (!SYNCS.has(operation) || syncs++ !== failing) return undefined;
    if (operation === "writeDurableAt" && path.startsWith(LOG)) isLogBroken = true;
    return { type: "error", code: "DISK_IO" };
  };
  const world = new InstantWorld(storage, { answers: "in-turn", disk: { onCall } });
  let hasFailed = false;
  await world.run((environment) =>
    SHORT_SCRIPT.run(environment, model, {
      onAcknowledged: () => {
        if (isLogBroken) answeredAfter++;
        oracle.note(storage);
      },
      onFailed: (error) => {
        if (!isKvsError(error)) throw error;
        hasFailed = true;
        return Promise.resolve("go-on");
      },
    }),
  );
  const violations = [...(await oracle.violations())];
  const image = storage.worstCase();
  const options = {
    store: SHORT_SCRIPT.store,
    allowed: model.allowance(),
    random: createRandom(2),
  };
  await recover(image, model, options).catch((error: unknown) => violations.push(String(error)));
  return { violations, answeredAfter, hasFailed };
}

// REL-W9
test(
  "after a failed sync nothing is answered that is not durable, and a log that failed answers nothing",
  { timeout: 300_000 },
  async () => {
    const syncs = await countSyncs();
    let failedLives = 0;
    for (let failing = 0; failing < syncs; failing += STRIDE) {
      const life = await liveWithFailedSync(failing);
      expect(life.violations, `sync ${failing} fails`).toEqual([]);
      expect(life.answeredAfter, `sync ${failing} fails`).toBe(0);
      if (life.hasFailed) failedLives++;
    }
    expect(failedLives).toBeGreaterThan(syncs / STRIDE / 2);
  },
);

const STALL_MS = 20_000;
const BEAT_MS = 50;

// REL-W20
test("while one sync takes twenty seconds, timers are on time, reads are answered, writes wait", async () => {
  let isStalling = false;
  const onCall = ({ operation, path }: DiskCall): DiskVerdict | undefined => {
    if (!isStalling || operation !== "writeDurableAt" || !path.startsWith(LOG)) return undefined;
    return { type: "delay", micros: STALL_MS * 1000 };
  };
  const storage = newStorage();
  const world = new InstantWorld(storage, { disk: { onCall } });
  await world.run(async (environment) => {
    const { clock } = environment;
    const options = { ...STORE, memoryBytes: 64 * 4096 };
    const open = await ModelledStore.open(environment, options, new StoreModel(MAIN));
    await open.batch(range(0, 400, 900)); // twice as much as the frames hold
    isStalling = true;
    const startMs = clock.monotonicMs();
    const answered: number[] = [];
    const writes = range(0, 50, 30).map(async (row) => {
      await open.batch([row]);
      answered.push(clock.monotonicMs() - startMs);
    });
    let beats = 0;
    while (clock.monotonicMs() - startMs < STALL_MS - 2 * BEAT_MS) {
      const before = clock.monotonicMs();
      await sleep(clock, BEAT_MS);
      expect(clock.monotonicMs() - before).toBeLessThan(BEAT_MS + 1);
      const { key } = range((beats * 7) % 400, 400, 0)[0]!;
      expect((await open.store.get(key))?.length).toBe(900);
      expect(open.store.getSync(key)?.length).toBe(900);
      beats++;
    }

    expect(beats).toBeGreaterThan(350);
    expect(answered).toEqual([]);
    isStalling = false;
    await Promise.all(writes);
    expect(Math.min(...answered)).toBeGreaterThan(STALL_MS - 1);
    await open.store.close();
  });
});

// REL-W20
test("a full queue behind a slow disk refuses batches, with an error that says to come again", async () => {
  let isStalling = false;
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined =>
    isStalling && operation === "writeDurableAt" ? { type: "delay", micros: 5e6 } : undefined;
  const world = new InstantWorld(newStorage(), { disk: { onCall } });
  await world.run(async (environment) => {
    const store = await Store.open(environment, STORE);
    isStalling = true;
    const value = new Uint8Array(1 << 20);
    const outcomes = Array.from({ length: 200 }, (_, number) =>
      store.batch([{ type: "put", key: new Uint8Array([number]), value }]).then(
        () => "answered",
        (error: KvsError) => `${error.code} ${error.outcome} ${error.retryable}`,
      ),
    );
    await sleep(environment.clock, 1);
    isStalling = false;
    const counts = new Map<string, number>();
    for (const outcome of await Promise.all(outcomes)) {
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }

    expect([...counts.keys()].toSorted()).toEqual(["TXN_OVERLOADED none true", "answered"]);
    expect((await store.check()).length).toBe(0);
    await store.close();
  });
});

// REL-W21
test("two processes, or one twice, cannot open one directory; after a death the next one can", async () => {
  const storage = newStorage();
  const [first, second, third] = [0, 1, 2].map(() => new InstantWorld(storage)) as [
    InstantWorld,
    InstantWorld,
    InstantWorld,
  ];
  const refused = expect.objectContaining({ code: "DISK_LOCKED", outcome: "none" }) as unknown;
  const key = new Uint8Array([1]);
  const openAnother = (environment: Environment): Promise<unknown> =>
    Store.open(environment, STORE).catch((error: unknown) => error);

  await first.run(async (environment) => {
    const store = await Store.open(environment, STORE);
    await store.batch([{ type: "put", key, value: new Uint8Array([1]) }]);

    expect(await openAnother(environment)).toEqual(refused);
    expect(await second.run(openAnother)).toEqual(refused);

    // Nothing of the attempts is to be seen: the store goes on.
    await store.batch([{ type: "put", key, value: new Uint8Array([2]) }]);
    expect(await store.check()).toEqual([]);
  });
  storage.processDied(first.environment.disk);
  await third.run(async (environment) => {
    const store = await Store.open(environment, STORE);
    expect(await store.get(key)).toEqual(new Uint8Array([2]));
    await store.close();
    const again = await Store.open(environment, STORE);
    await again.close();
  });
});
