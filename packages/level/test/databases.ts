import { MemoryDisk } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { onTestFinished } from "vitest";
import { StoreLevel, type StoreLevelOptions, type StoreOpenOptions } from "../src/index.ts";

/** Small: tests open many. */
const SMALL = { path: "store", memoryBytes: 1 << 18, segmentBytes: 64 << 10 };

/** A database in memory, closed when the test ends; `disk` makes it another life of one before. */
export function inMemory<K = string, V = string>(
  options: StoreLevelOptions<K, V> & StoreOpenOptions = {},
  disk: MemoryDisk = new MemoryDisk(),
): StoreLevel<K, V> {
  const database = new StoreLevel<K, V>({ ...createNodeEnvironment(), disk }, SMALL, options);
  onTestFinished(() => database.close().catch(() => undefined));
  return database;
}
