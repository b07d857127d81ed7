import { type Environment, type Timer } from "@kvs/env";
import { type Checkpointer } from "./checkpoint.ts";

/** Log that a checkpoint itself writes: with no more than that there is nothing to do. */
const IDLE_LOG_BYTES = 256;
/** Writers are slowed down from this many times the bound on, */
const SLOW_FROM = 1.5;
/** a little more with each byte, until at so many times the bound */
const SLOWEST_AT = 3;
/** each batch waits this long. */
const DELAY_MS_MAX = 50;

export interface CheckpointScheduleParts {
  readonly environment: Environment;
  readonly checkpointer: Checkpointer;
  /** Log bytes after which a checkpoint begins. */
  readonly logBytes: number;
  /** Time after which one begins, if anything was written. */
  readonly intervalMs: number;
}

/**
 * Decides when checkpoints begin by themselves: after so much time, and after so much log. One at a
 * time; a failure is traced, and the next try is the timer's, not each batch's.
 */
export class CheckpointSchedule {
  readonly #parts: CheckpointScheduleParts;
  #timer: Timer | undefined;
  #isRunning = false;
  #hasFailed = false;
  #isStopped = false;

  constructor(parts: CheckpointScheduleParts) {
    this.#parts = parts;
  }

  /** Begins to count the time. */
  start(): void {
    const { environment, checkpointer, intervalMs } = this.#parts;
    this.#timer = environment.clock.schedule(intervalMs, () => {
      if (checkpointer.logBytes > IDLE_LOG_BYTES) this.#begin();
      if (!this.#isStopped) this.start();
    });
  }

  /** Looks whether the log has become long enough. */
  noteLog(): void {
    const isDue = this.#parts.checkpointer.logBytes > this.#parts.logBytes;
    if (isDue && !this.#hasFailed) this.#begin();
  }

  /**
   * How long a batch should wait before it begins: 0 while checkpoints keep up with the log. It grows
   * gently, so that writers come down to the disk's pace without ever standing still.
   */
  get delayMs(): number {
    const times = this.#parts.checkpointer.logBytes / this.#parts.logBytes;
    if (times <= SLOW_FROM) return 0;
    return DELAY_MS_MAX * Math.min(1, (times - SLOW_FROM) / (SLOWEST_AT - SLOW_FROM));
  }

  /** The log could not get its next segment: a checkpoint sets old ones free, if there are any. */
  noteFullLog(): void {
    if (this.#parts.checkpointer.hasLogToDrop) this.#begin();
  }

  /** The store was recovered: a checkpoint, while it is in use already, makes the next recovery short. */
  noteRecovered(): void {
    this.#begin();
  }

  /** Begins no more checkpoints. One under way goes on. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #begin(): void {
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    const { environment, checkpointer } = this.#parts;
    checkpointer
      .run()
      .then(() => {
        this.#hasFailed = false;
      })
      .catch((error: unknown) => {
        this.#hasFailed = true;
        const fields = { error: String(error) };
        environment.trace.event("error", "txn.checkpoint", "a checkpoint failed", fields);
      })
      .finally(() => {
        this.#isRunning = false;
      });
  }
}
