import { type EntryBatch } from "../core/entry.ts";
import { type LogPoint } from "../core/log-store.ts";

/**
 * What a group replicates. All replicas are given the same entries in the same order, each once, and
 * must come to the same state: no clock, no chance, no order of an unordered collection.
 *
 * No two of these calls overlap.
 */
export interface StateMachine {
  /**
   * Takes in entries that are committed and durable here.
   *
   * @param batch Some entries; those that are not of kind `command` carry nothing for the state. Their
   *   bytes are shared: copy what you keep, and change nothing.
   * @param point The last entry of the batch. A state that survives crashes by itself stores it in the same
   *   step as the effect, and tells it in `durablePoint`.
   * @throws Whatever it throws stops the replica: it could not go on without the entry.
   */
  apply(batch: EntryBatch, point: LogPoint): void | Promise<void>;
  /** An image of the state as it is now: for replicas that lag, and for the log to be cut. */
  snapshot(): Uint8Array | Promise<Uint8Array>;
  /**
   * Replaces the state by that of an image, which another replica made at `point`. A state that
   * survives crashes by itself has both durable when this returns.
   */
  restore(image: Uint8Array, point: LogPoint): void | Promise<void>;
  /**
   * The last entry whose effect survives a crash. Leave it out if the state lives in memory only: its
   * images are then kept in the snapshot store.
   */
  durablePoint?(): LogPoint | undefined;
}
