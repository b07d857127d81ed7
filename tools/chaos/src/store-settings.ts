import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Environment, type Random, noTestHooks } from "@kvs/env";
import { createNodeEnvironment, fileKeyProvider, newMasterKeyLine } from "@kvs/node";
import { Store, restoreCopy } from "@kvs/txn";

/** How a store is opened. Small figures: caches overflow, segments and checkpoints follow quickly. */
export interface StoreSettings {
  readonly path: string;
  readonly memoryBytes: number;
  readonly segmentBytes: number;
  readonly checkpointLogBytes: number;
  /** Whether log and long values are compressed. */
  readonly compresses: boolean;
  /** The file with the master key, if the store is encrypted. */
  readonly masterKeyFile?: string;
}

/** What a store keeps for its life. */
export type StoreConstants = Pick<StoreSettings, "path" | "segmentBytes" | "masterKeyFile">;

/**
 * Draws what a store keeps. A third of all are encrypted.
 *
 * @param folder Where a file with the master key goes: not on the disk that is to be broken.
 */
export function drawStore(random: Random, path: string, folder: string): StoreConstants {
  const segmentBytes = [64 << 10, 256 << 10, 1 << 20][random.below(3)]!;
  if (!random.chance(1 / 3)) return { path, segmentBytes };
  const masterKeyFile = join(folder, `master-key-${random.nextUint32()}`);
  writeFileSync(masterKeyFile, newMasterKeyLine("chaos"), { mode: 0o600 });
  return { path, segmentBytes, masterKeyFile };
}

/** Draws what may change from one life of a store to the next. */
export function drawLife(random: Random): Omit<StoreSettings, keyof StoreConstants> {
  const frames = [4, 8, 16, 64, 256];
  const logs = [32 << 10, 128 << 10, 1 << 20, 16 << 20];
  return {
    memoryBytes: frames[random.below(frames.length)]! * 4096,
    checkpointLogBytes: logs[random.below(logs.length)]!,
    compresses: random.chance(0.3),
  };
}

/** Opens a store on the real disk. */
export function openStore(
  settings: StoreSettings,
  mutants: readonly string[] = [],
): Promise<Store> {
  const { masterKeyFile, compresses, ...options } = settings;
  return Store.open(realEnvironment(mutants), {
    ...options,
    compression: { values: compresses, log: compresses },
    ...(masterKeyFile !== undefined && {
      encryption: { provider: fileKeyProvider(masterKeyFile) },
    }),
  });
}

/**
 * Copies an open store into a directory, from which it can be opened like any other.
 *
 * @param path Must not exist.
 */
export async function restoreHotCopy(store: Store, path: string): Promise<void> {
  await restoreCopy(realEnvironment([]), store.hotCopy(), path);
}

function realEnvironment(mutants: readonly string[]): Environment {
  const hasMutant = (name: string): boolean => mutants.includes(name);
  return createNodeEnvironment({ hooks: { ...noTestHooks, hasMutant } });
}
