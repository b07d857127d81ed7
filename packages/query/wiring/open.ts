import { type Environment, MemoryDisk } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { type Database } from "@kvs/protocol";
import { type OpenOptions, openDatabase } from "../src/database/open-database.ts";

/** The path that means: keep everything in memory. */
const IN_MEMORY = ":memory:";

/**
 * Opens a database in this process.
 *
 * @param path A directory of its own, made if absent; or `:memory:`, to keep everything in memory and
 *   lose it at the end.
 * @throws {KvsError} `DISK_LOCKED` if another process has it open; `PAGER_UNKNOWN_VERSION` or
 *   `WAL_UNSUPPORTED` if a newer version wrote it; errors that tell of damage; errors of the disk.
 *
 * @example
 * ```ts
 * const db = await open("./data");
 * await db.collection("people").insert({ name: "Ada" });
 * await db.close();
 * ```
 */
export function open(path: string, options: OpenOptions = {}): Promise<Database> {
  const environment = createNodeEnvironment();
  if (path !== IN_MEMORY) return openDatabase(environment, path, options);
  const inMemory: Environment = { ...environment, disk: new MemoryDisk() };
  return openDatabase(inMemory, "memory", { ...SMALL_LOG, ...options });
}

/** In memory the log only costs space. */
const SMALL_LOG = { segmentBytes: 1 << 20, checkpointLogBytes: 4 << 20 };
