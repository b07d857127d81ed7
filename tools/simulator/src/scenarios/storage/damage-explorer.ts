import { type Environment, isKvsError } from "@kvs/env";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { Store, type StoreOptions } from "@kvs/txn";
import { StorageViolation, findState, isSame, readContent } from "./audit.ts";
import { MAIN } from "./modelled-store.ts";
import { toKeyBytes } from "./model-key.ts";
import { type Allowance, type StoreModel } from "./store-model.ts";

/** Damage at rest, done to a copy of a disk. */
export interface Damage {
  /** For people: what and where. */
  readonly name: string;
  readonly allowed: Allowance;
  readonly inflict: (storage: SimStorage) => void;
}

export interface DamageOptions {
  readonly store: StoreOptions;
  readonly mutants?: readonly string[];
}

/** What an exploration did. */
export interface DamageReport {
  damages: number;
  /** Stores that refused to open. */
  refused: number;
  /** Stores that opened, and said of a part that it is damaged. */
  reported: number;
  /** Stores that answered everything, and rightly. */
  harmless: number;
  readonly violations: string[];
}

const VIOLATIONS_MAX = 5;
/** A run that takes more turns goes round in circles. */
const TURNS_MAX = 100_000;
/** Keys that are read one by one, if reading all of them at once failed. */
const KEYS_READ = 40;

/**
 * Damages copies of a disk, one at a time, and reads what is left: each answer is right, or an error
 * with a code. Never another value, another order, a crash of the process, a wait without end.
 */
export async function exploreDamage(
  storage: SimStorage,
  model: StoreModel,
  damages: Iterable<Damage>,
  options: DamageOptions,
): Promise<DamageReport> {
  const report: DamageReport = {
    damages: 0,
    refused: 0,
    reported: 0,
    harmless: 0,
    violations: [],
  };
  for (const damage of damages) {
    const copy = storage.clone();
    damage.inflict(copy);
    const world = new InstantWorld(copy, { turnsMax: TURNS_MAX, mutants: options.mutants ?? [] });
    report.damages++;
    try {
      const outcome = await world.run((environment) =>
        readDamaged(environment, { model, damage, store: options.store }),
      );
      report[outcome]++;
    } catch (error) {
      const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      report.violations.push(`${damage.name}: ${message}`);
      if (report.violations.length >= VIOLATIONS_MAX) return report;
    }
  }
  return report;
}

interface DamagedStore {
  readonly model: StoreModel;
  readonly damage: Damage;
  readonly store: StoreOptions;
}

async function readDamaged(
  environment: Environment,
  damaged: DamagedStore,
): Promise<"refused" | "reported" | "harmless"> {
  let store: Store;
  try {
    store = await Store.open(environment, damaged.store);
  } catch (error) {
    if (isKvsError(error)) return "refused";
    throw error;
  }
  let outcome: "reported" | "harmless" = "harmless";
  try {
    findState(await readContent(store), damaged.model, damaged.damage.allowed);
  } catch (error) {
    if (!isKvsError(error)) throw error;
    outcome = "reported";
    await readKeys(store, damaged);
  }
  await store.check();
  await store.close().catch((error: unknown) => {
    if (!isKvsError(error)) throw error;
  });
  return outcome;
}

/** Where a scan fails, single keys may still be read: rightly. */
async function readKeys(store: Store, { model, damage }: DamagedStore): Promise<void> {
  const keys = model.keys(MAIN);
  const stride = Math.max(1, Math.floor(keys.length / KEYS_READ));
  for (let at = 0; at < keys.length; at += stride) {
    const key = toKeyBytes(keys[at]!);
    try {
      const value = at % 2 === 0 ? await store.get(key) : store.getSync(key);
      const right = model.valuesBetween(MAIN, key, damage.allowed);
      if (right.some((expected) => isSame(expected, value))) continue;
    } catch (error) {
      if (!isKvsError(error)) throw error;
      continue;
    }
    throw new StorageViolation(`a wrong value of key ${at}`);
  }
}
