import { type Environment, type Random, noTestHooks } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { Store } from "@kvs/txn";

/** How a store is opened. Small figures: caches overflow, segments and checkpoints follow quickly. */
export interface StoreSettings {
  readonly path: string;
  readonly memoryBytes: number;
  readonly segmentBytes: number;
  readonly checkpointLogBytes: number;
}

/** Draws what may change from one life of a store to the next. */
export function drawLife(
  random: Random,
): Pick<StoreSettings, "memoryBytes" | "checkpointLogBytes"> {
  const frames = [4, 8, 16, 64, 256];
  const logs = [32 << 10, 128 << 10, 1 << 20, 16 << 20];
  return {
    memoryBytes: frames[random.below(frames.length)]! * 4096,
    checkpointLogBytes: logs[random.below(logs.length)]!,
  };
}

/** Draws the length of a log segment, which a store keeps for its life. */
export function drawSegmentBytes(random: Random): number {
  return [64 << 10, 256 << 10, 1 << 20][random.below(3)]!;
}

/** Opens a store on the real disk. */
export function openStore(
  settings: StoreSettings,
  mutants: readonly string[] = [],
): Promise<Store> {
  return Store.open(realEnvironment(mutants), settings);
}

function realEnvironment(mutants: readonly string[]): Environment {
  const hasMutant = (name: string): boolean => mutants.includes(name);
  return createNodeEnvironment({ hooks: { ...noTestHooks, hasMutant } });
}
