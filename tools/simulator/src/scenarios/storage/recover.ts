import { type Random } from "@kvs/env";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { type Entry, Store, type StoreOptions } from "@kvs/txn";
import {
  type Content,
  StorageViolation,
  auditStore,
  auditStructure,
  findState,
  isSame,
  readContent,
} from "./audit.ts";
import { giveSpaceBack } from "./disk-space.ts";
import { requireSilence } from "./canary.ts";
import { ChangeWatch } from "./change-watch.ts";
import { toKeyBytes } from "./model-key.ts";
import { MAIN } from "./modelled-store.ts";
import { type Allowance, type StoreModel } from "./store-model.ts";

export interface RecoverOptions {
  readonly store: StoreOptions;
  readonly allowed: Allowance;
  readonly random: Random;
  readonly mutants?: readonly string[];
  /** Whether to look from all sides, and not only once, in order. */
  readonly isThorough?: boolean;
  /** Called at each disk call of the recovery at which the power could fail to another effect. */
  readonly crashed?: (storage: SimStorage) => void;
}

/**
 * Opens what a crash left on a disk, compares it with the model, and writes to it.
 *
 * @returns The batch up to which it holds all.
 * @throws {StorageViolation} What else it throws, the store threw: it must not after a mere crash.
 */
export function recover(
  storage: SimStorage,
  model: StoreModel,
  options: RecoverOptions,
): Promise<number> {
  const { allowed, random, mutants = [] } = options;
  const watch = new ChangeWatch(storage);
  let isRecovering = true;
  const world = new InstantWorld(storage, {
    mutants,
    disk: {
      onCall: (call) => {
        if (isRecovering && watch.note(call)) options.crashed?.(storage);
        return undefined;
      },
    },
  });
  requireSilence(storage, options.store);
  return world.run(async (environment) => {
    const store = await Store.open(environment, options.store);
    isRecovering = false;
    if (options.isThorough === true) await auditStore(store, model, { allowed, random });
    const content = await readContent(store);
    const batch = findState(content, model, allowed);
    giveSpaceBack(storage);
    await probe(store, content);
    await auditStructure(store);
    return batch;
  });
}

/**
 * Writes to a store that has recovered, and looks at it again: what recovery should have taken back
 * would come to light.
 */
async function probe(store: Store, before: Content): Promise<void> {
  const entries = before.get(MAIN)!;
  const value = new Uint8Array(700).fill(7);
  const added = toKeyBytes("probe");
  const deleted = entries[Math.floor(entries.length / 2)]?.key ?? added;
  await store.batch([
    { type: "delete", key: deleted },
    { type: "put", key: added, value },
  ]);
  const after = await readContent(store);
  const expected = entries.filter(({ key }) => !isSame(key, deleted) && !isSame(key, added));
  const found = after.get(MAIN)!.filter(({ key }) => !isSame(key, added));
  const isRight =
    found.length === expected.length &&
    found.every((entry, at) => isSameEntry(entry, expected[at]!)) &&
    isSame(await store.get(added), value) &&
    [...before].every(([tree, rows]) => tree === MAIN || isSameRows(after.get(tree), rows));
  if (!isRight)
    throw new StorageViolation("a batch after recovery changed other rows than its own");
}

function isSameRows(found: readonly Entry[] | undefined, expected: readonly Entry[]): boolean {
  return (
    found?.length === expected.length &&
    found.every((entry, at) => isSameEntry(entry, expected[at]!))
  );
}

function isSameEntry(one: Entry, other: Entry): boolean {
  return (
    isSame(one.key, other.key) && isSame(one.value, other.value) && one.version === other.version
  );
}
