import { type Clock, type Environment, createRandom } from "@kvs/env";
import { type DiskCall, type DiskVerdict, SimStorage, Simulation, instantContext } from "@kvs/sim";
import { BTree } from "../src/btree.ts";

export const PATH = "map";

/** A disk in memory that answers in later microtasks, and what else a pager needs of the world. */
export interface World {
  readonly environment: Environment;
  readonly storage: SimStorage;
  /** Answers the next calls of the disk; set it at any time. */
  onCall: ((call: DiskCall) => DiskVerdict | undefined) | undefined;
}

export function makeWorld(seed = 1): World {
  const storage = new SimStorage({ random: createRandom(seed) });
  const context = instantContext(createRandom(seed + 1), {
    onCall: (call) => world.onCall?.(call),
  });
  const { environment } = new Simulation({ seed }).addHost("host");
  const disk = storage.attach(context);
  const clock = turnClock(environment.clock);
  const world: World = { environment: { ...environment, disk, clock }, storage, onCall: undefined };
  return world;
}

/** The end of a turn is the end of a real one; nothing here waits for a time. */
function turnClock(clock: Clock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    schedule: (delayMs, action) => clock.schedule(delayMs, action),
    defer: (action) => void setImmediate(action),
  };
}

/** A tree in a new file. */
export async function createTree(world: World, frames = 64): Promise<BTree> {
  await BTree.createFile(world.environment, PATH);
  return BTree.create(await BTree.openPager(world.environment, PATH, frames * 4096));
}

/** The tree of a file that exists. */
export async function openTree(world: World, frames = 64): Promise<BTree> {
  return BTree.open(await BTree.openPager(world.environment, PATH, frames * 4096));
}
