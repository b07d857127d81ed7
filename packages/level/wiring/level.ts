import { type Environment, MemoryDisk } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { StoreLevel, type StoreLevelOptions, type StoreOpenOptions } from "../src/store-level.ts";

/** The location that means: keep everything in memory. */
const IN_MEMORY = ":memory:";

/** Options of a database; `LevelOptions` of `level` fit. */
export type LevelOptions<K, V> = StoreLevelOptions<K, V> & StoreOpenOptions;

/**
 * A database in a directory of this machine, with the interface of `abstract-level`. It opens itself.
 *
 * @example
 * ```ts
 * const db = new Level("./data", { valueEncoding: "json" });
 * await db.put("a", { x: 1 });
 * await db.close();
 * ```
 */
export class Level<K = string, V = string> extends StoreLevel<K, V> {
  /** @param location A directory of its own; or `:memory:`, to lose everything at the end. */
  constructor(location: string, options: LevelOptions<K, V> = {}) {
    if (typeof location !== "string" || location === "") {
      throw new TypeError("The first argument 'location' must be a non-empty string");
    }
    const environment = createNodeEnvironment();
    if (location !== IN_MEMORY) super(environment, { path: location }, options);
    else super(inMemory(environment), { path: "memory", ...SMALL_LOG }, options);
  }
}

/** In memory the log only costs space. */
const SMALL_LOG = { segmentBytes: 1 << 20, checkpointLogBytes: 4 << 20 };

function inMemory(environment: Environment): Environment {
  return { ...environment, disk: new MemoryDisk() };
}
