import { type Environment, createRandom } from "@kvs/env";
import { type HostedDatabase } from "@kvs/protocol";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { Store, Transactions } from "@kvs/txn";
import { openDatabase } from "../../src/index.ts";
import { RowStore } from "../../src/database/row-store.ts";

/** Few frames and short segments, so that a small store meets every limit. */
export const SMALL = { memoryBytes: 16 * 4096, segmentBytes: 64 << 10 };

export function newStorage(seed = 1): SimStorage {
  return new SimStorage({ random: createRandom(seed) });
}

/** What a body may do besides. */
export interface Run {
  readonly environment: Environment;
}

/** Runs a body with a database open, in virtual time; the process is killed when it is done. */
export async function withDatabase<T>(
  storage: SimStorage,
  body: (database: HostedDatabase, run: Run) => Promise<T>,
  seed = 1,
): Promise<T> {
  const random = createRandom(seed);
  const world = new InstantWorld(storage, { random, answers: "in-turn" });
  try {
    return await world.run(async (environment) => {
      const database = await openDatabase(environment, "data", SMALL);
      return body(database, { environment });
    });
  } finally {
    storage.processDied(world.environment.disk);
  }
}

/** Runs a body with the rows of a store. */
export async function withRows<T>(
  storage: SimStorage,
  body: (rows: RowStore, store: Store, environment: Environment) => Promise<T>,
): Promise<T> {
  const world = new InstantWorld(storage, { answers: "in-turn" });
  try {
    return await world.run(async (environment) => {
      const { clock, random } = environment;
      const store = await Store.open(environment, { path: "data", ...SMALL });
      const transactions = new Transactions(environment, { source: store, pipe: store });
      const rows = new RowStore({ clock, random, rows: store, transactions });
      return body(rows, store, environment);
    });
  } finally {
    storage.processDied(world.environment.disk);
  }
}

export async function collect<T>(walk: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of walk) items.push(item);
  return items;
}

export function codeIs(code: string): unknown {
  return { code };
}
