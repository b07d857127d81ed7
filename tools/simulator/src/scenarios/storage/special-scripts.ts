import { assert, createRandom } from "@kvs/env";
import { type DiskCall, type DiskVerdict, InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { StorageViolation, auditStore } from "./audit.ts";
import { MAIN, ModelledStore } from "./modelled-store.ts";
import { Script, deletes, range } from "./script.ts";
import { StoreModel } from "./store-model.ts";

const SEGMENT_BYTES = 16_384;
const STORE: StoreOptions = {
  path: "store",
  memoryBytes: 8 * 4096,
  segmentBytes: SEGMENT_BYTES,
};

/** Length of the rows of a group whose first sector is lost: longer than a sector. */
const TORN_ROW_BYTES = 600;

/** A disk on which the first sector of a group of three batches is lost. */
interface TornGroup {
  readonly storage: SimStorage;
  /** Where the second batch's record begins: it is whole. */
  readonly secondStart: number;
  /** Bytes of a record beyond the row's value. */
  readonly recordOverhead: number;
}

/**
 * Tears a group of three batches so that the second and the third are whole on the disk; recovers;
 * and writes rows until the log ends exactly where the second one's record begins. Then looks at what
 * the next recovery finds.
 *
 * @throws {StorageViolation} if a batch comes back that was gone.
 */
export async function reviveTornGroup(mutants: readonly string[] = []): Promise<void> {
  const model = new StoreModel(MAIN);
  const { storage, secondStart, recordOverhead } = await tearGroup(model);
  const live = async (body: (open: ModelledStore) => Promise<void>): Promise<void> => {
    const world = new InstantWorld(storage, { mutants });
    await world.run(async (environment) => {
      const open = await ModelledStore.open(environment, STORE, model);
      model.settle(await auditStore(open.store, model));
      await body(open);
    });
    storage.processDied();
  };
  await live(async (open) => {
    await open.store.checkpoint(); // and the one that ends recovery: no more records of theirs
    await open.batch(range(9, 10, 20)); // with an image of its page
    const { endLsn } = open.store.stats().wal;
    await open.batch(range(9, 10, secondStart - endLsn - recordOverhead));
    assert(open.store.stats().wal.endLsn === secondStart, "the log ends at the old record's start");
  });
  await live(() => Promise.resolve());
}

async function tearGroup(model: StoreModel): Promise<TornGroup> {
  const storage = new SimStorage({ random: createRandom(1) });
  let isLast = false;
  let image: SimStorage | undefined;
  let torn: () => void;
  const isTorn = new Promise<void>((resolve) => {
    torn = resolve;
  });
  const onCall = ({ operation }: DiskCall): DiskVerdict | undefined => {
    if (!isLast || operation !== "writeDurableAt") return undefined;
    image ??= storage.sampleCrashImage(createRandom(1), "keep-all");
    torn();
    return { type: "halt" };
  };
  const world = new InstantWorld(storage, { disk: { onCall } });
  const start = await world.run(async (environment) => {
    const open = await ModelledStore.open(environment, STORE, model);
    await open.batch(range(0, 3, 10)); // the rows of the group need no images
    const { endLsn } = open.store.stats().wal;
    isLast = true;
    for (const row of range(0, 3, TORN_ROW_BYTES)) void open.batch([row]);
    const recordBytes = (open.store.stats().wal.endLsn - endLsn) / 3;
    await isTorn;
    return { endLsn, recordBytes };
  });
  const { endLsn, recordBytes } = start;
  const base = endLsn - (endLsn % SEGMENT_BYTES);
  const path = `store/log/${String(base).padStart(20, "0")}.wal`;
  image!.overwrite(path, endLsn - base, new Uint8Array(512 - (endLsn % 512)));
  return {
    storage: image!,
    secondStart: endLsn + recordBytes,
    recordOverhead: recordBytes - TORN_ROW_BYTES,
  };
}

/**
 * Spreads the versions of one key over two leaves, newest first, deletes the key, and lets what
 * nobody needs be cleared away: the delete must outlive the versions that it hides.
 *
 * @throws {StorageViolation} if the key comes back.
 */
export async function hideSpreadVersions(
  versions: number,
  mutants: readonly string[] = [],
): Promise<void> {
  const storage = new SimStorage({ random: createRandom(1) });
  const model = new StoreModel(MAIN);
  const world = new InstantWorld(storage, { mutants });
  await world.run(async (environment) => {
    const script = new Script({ environment, store: STORE, model });
    const hold = [];
    for (let version = 0; version < versions; version++) {
      hold.push(
        () => script.put(5, 800 + version),
        () => script.hold(),
      );
    }
    await script.run([
      () => script.batch(range(0, 3, 300)),
      ...hold,
      () => script.batch(deletes(5, 6)),
      () => script.release(),
      () => script.rest(),
      () => script.reopen(),
      async () => {
        const value = await script.store.store.get(deletes(5, 6)[0]!.key);
        if (value !== undefined) throw new StorageViolation("a deleted key came back");
      },
    ]);
  });
}
