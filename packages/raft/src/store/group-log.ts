import { type EntryReader, type LogImage } from "../core/log-store.ts";
import { type Ready } from "../core/ready.ts";

/** What a Ready asks a log store to write (duty 2); received pieces of snapshots go elsewhere. */
export type LogWrite = Pick<Ready, "hardState" | "newBase" | "cutFrom" | "entries"> &
  Partial<Pick<Ready, "repairs">>;

/**
 * Where one replica of one group keeps its log.
 *
 * 1. What `write` was given is durable once a `sync` that was called later has resolved; in order: if
 *    one write is, all before it are. A crash may leave the first part of a write.
 * 2. `image` tells what was found when the store was opened. After a crash that is everything that
 *    was synced, and perhaps more of what was written, in order.
 * 3. `read` answers what was written, durable or not.
 *
 * The conformance suite `logStoreConformance` of `@kvs/raft/conformance` checks this.
 */
export interface GroupLog extends EntryReader {
  image(): LogImage;
  /**
   * Takes over what a Ready asks for. The entries belong to the store from now on.
   *
   * @throws {KvsError} if the store failed before: nothing was written.
   */
  write(write: LogWrite): void;
  /**
   * Waits until all that was written is durable.
   *
   * @throws {KvsError} Retryable ones, of a full disk, may be tried again; after all others the store is
   *   unusable, and nobody knows what is durable: end the process.
   */
  sync(): Promise<void>;
  /** Tells when entries for which `read` answered `undefined` can be read. One listener. */
  onLoaded(listener: (error?: unknown) => void): void;
}
