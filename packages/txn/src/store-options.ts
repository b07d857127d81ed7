import { type KeyProvider, assert } from "@kvs/env";
import { type RecoveryProgress } from "./recovery-progress.ts";

/** Page cache unless told: half of what a node of 512 MB has for pages. */
const MEMORY_BYTES_DEFAULT: number = 128 << 20;
/** Log after which a checkpoint begins by itself: recovery reads it in about two seconds. */
const CHECKPOINT_LOG_BYTES_DEFAULT: number = 256 << 20;
/** Time after which a checkpoint begins by itself, if anything was written. */
const CHECKPOINT_INTERVAL_MS_DEFAULT = 60_000;

export interface StoreOptions {
  /** The store's directory; made if absent. */
  readonly path: string;
  /** Page cache: at least four pages of 4 KB. Default 128 MiB. */
  readonly memoryBytes?: number;
  /** Length of a log segment. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Log bytes after which a checkpoint begins. Default 256 MiB. */
  readonly checkpointLogBytes?: number;
  /** Milliseconds after which a checkpoint begins, if anything was written. Default 60,000. */
  readonly checkpointIntervalMs?: number;
  /**
   * Seals whatever is written to the disk with AES-256-GCM. A store that was plain is sealed from now
   * on, and all of it by `rotateKeys`. A sealed store cannot be opened without. Default: plain.
   */
  readonly encryption?: EncryptionOptions;
  /** What is compressed. It can be changed at any open. Default: nothing. */
  readonly compression?: CompressionOptions;
  /**
   * Batches come from a log of others, with timestamps, through `Store.replicated`, and are durable
   * there: they are visible once applied, and on this store's disk a little later. After a crash those
   * behind `publishedTs` are applied again. Default: false.
   */
  readonly isReplicated?: boolean;
  /** Where a new store's log and timestamps begin: for tests of large counters. Default 0. */
  readonly startPosition?: number;
  readonly startTimestamp?: number;
  /** Told how far recovery is, some hundred times; must not throw. */
  readonly onProgress?: (progress: RecoveryProgress) => void;
}

export interface EncryptionOptions {
  /** Where the master keys are, which the store's own keys are wrapped with. */
  readonly provider: KeyProvider;
}

export interface CompressionOptions {
  /** Values that have pages of their own, if that saves an eighth: dense. Default: false. */
  readonly values?: boolean;
  /** Records of the log: fast. Default: false. */
  readonly log?: boolean;
}

type Switches = "encryption" | "compression";

export type ResolvedStoreOptions = Required<Omit<StoreOptions, Switches>> &
  Pick<StoreOptions, Switches>;

/** Fills in the defaults and checks the ranges. */
export function resolveStoreOptions(options: StoreOptions): ResolvedStoreOptions {
  assert(options.path !== "", "a store has a directory of its own");
  const resolved = {
    memoryBytes: MEMORY_BYTES_DEFAULT,
    segmentBytes: 64 << 20,
    checkpointLogBytes: CHECKPOINT_LOG_BYTES_DEFAULT,
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS_DEFAULT,
    startPosition: 0,
    startTimestamp: 0,
    isReplicated: false,
    onProgress: () => undefined,
    ...options,
  };
  assert(resolved.memoryBytes >= 4 * 4096, "a page cache holds at least four pages");
  return resolved;
}
