import { assert } from "@kvs/env";
import { type BatchQueue } from "./batch-queue.ts";
import { type CheckpointSchedule } from "./checkpoint-schedule.ts";
import { type Janitor } from "./janitor.ts";
import { type Publisher } from "./publisher.ts";
import { type Timestamp } from "./timestamp.ts";

export interface ReplicatedWritesParts {
  readonly queue: BatchQueue;
  readonly publisher: Publisher;
  readonly janitor: Janitor;
  readonly schedule: CheckpointSchedule;
  /** Whether the store was opened with `isReplicated`. */
  readonly isReplicated: boolean;
  /** @throws {KvsError} once the store is closed. */
  readonly requireOpen: () => void;
}

/**
 * How a replicated store changes: by the batches of a log that others keep, in its order, each with
 * the timestamp that stands there.
 *
 * The timestamp is the place in that log: after a crash the store has exactly the batches up to its
 * `publishedTs`, and those behind it are to be applied again.
 */
export class ReplicatedWrites {
  readonly #parts: ReplicatedWritesParts;

  constructor(parts: ReplicatedWritesParts) {
    this.#parts = parts;
  }

  /** The newest batch that a crash leaves in this store: up to it the log is needed no more. */
  get durableTs(): Timestamp {
    return this.#parts.publisher.durableTs;
  }

  /**
   * Applies a batch. Readers see it when this resolves; it is on the disk by `durableTs`.
   *
   * @param batch As `encodeBatch` made it; must stay unchanged until then.
   * @param timestamp Greater than every one before. Call it again only after the one before resolved.
   * @throws {KvsError} `DISK_FULL`, `WAL_DISK_FULL`, `TXN_OVERLOADED` (retryable): nothing happened, and
   *   the same batch may be given again; `TXN_POISONED`, `TXN_CLOSED`, errors of reading pages.
   */
  async apply(batch: Uint8Array, timestamp: Timestamp): Promise<void> {
    const { queue, janitor, schedule, isReplicated, requireOpen } = this.#parts;
    requireOpen();
    assert(isReplicated, "a store that takes the batches of a log was opened for that");
    await queue.submit(batch, timestamp);
    janitor.note(batch, timestamp);
    schedule.noteLog();
  }
}
