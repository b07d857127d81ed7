import { type Environment, KvsError, type Timer } from "@kvs/env";
import { BUFFERED_BYTES_MAX, type Wal } from "@kvs/wal";
import { type MutationGuard } from "./mutation-guard.ts";
import { type Publisher } from "./publisher.ts";

/** What a replicated store applied is on its disk after so long: a start applies the rest again. */
const REPLICATED_DELAY_MS = 500;
/** Or after so much: well before batches have to wait for room in memory. */
const REPLICATED_BYTES: number = BUFFERED_BYTES_MAX >> 2;
/** Pause before a log that found the disk full is asked to go on. */
const PAUSE_MS = 100;
/** Tries after which those who wait are told that nobody knows: five seconds. */
const PATIENCE_TRIES = 50;

export interface LogSyncParts {
  readonly environment: Environment;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  readonly publisher: Publisher;
  /** Nobody waits for the log, for what is in it is durable elsewhere. */
  readonly isReplicated: boolean;
}

/**
 * Has what was appended made durable: once for all that one turn appended.
 *
 * A disk that is full when the log needs its next segment is not the end. What was appended waits in
 * memory, is tried again until there is space, and new batches are refused meanwhile. Any other
 * failure of a sync is final: nobody knows what the disk holds.
 */
export class LogSync {
  readonly #parts: LogSyncParts;
  #isDue = false;
  #laterTimer: Timer | undefined;
  #stall: KvsError | undefined;
  #tries = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: LogSyncParts) {
    this.#parts = parts;
    parts.wal.onDurable(() => {
      this.#stall = undefined;
      this.#tries = 0;
    });
  }

  /** Why the log cannot take more at the moment, if so (`WAL_DISK_FULL`). */
  get stall(): KvsError | undefined {
    return this.#stall;
  }

  /** Has everything made durable that was appended, and what this turn still appends. */
  request(): void {
    if (this.#isDue) return;
    if (this.#parts.isReplicated && this.#parts.wal.bufferedBytes < REPLICATED_BYTES) {
      this.#requestLater();
      return;
    }
    this.#isDue = true;
    this.#parts.environment.clock.defer(() => {
      this.#isDue = false;
      this.#parts.wal.sync().catch((error: unknown) => this.#noteFailure(error));
    });
  }

  /** Tries no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#laterTimer?.cancel();
  }

  #requestLater(): void {
    if (this.#isStopped || this.#laterTimer !== undefined) return;
    this.#laterTimer = this.#parts.environment.clock.schedule(REPLICATED_DELAY_MS, () => {
      this.#laterTimer = undefined;
      this.#parts.wal.sync().catch((error: unknown) => this.#noteFailure(error));
    });
  }

  #noteFailure(error: unknown): void {
    const { guard, environment, publisher } = this.#parts;
    const mayPass = error instanceof KvsError && error.retryable;
    if (!mayPass) return guard.poison(error);
    if (this.#stall === undefined) {
      environment.hooks.probe("txn.log-stalled");
      const fields = { code: error.code };
      environment.trace.event("warn", "txn.log", "no space for the log, batches wait", fields);
    }
    this.#stall = error;
    if (this.#tries === PATIENCE_TRIES) publisher.giveUp(error);
    if (this.#isStopped || this.#timer !== undefined) return;
    this.#timer = environment.clock.schedule(PAUSE_MS, () => {
      this.#timer = undefined;
      this.#tries++;
      void this.#retry();
    });
  }

  async #retry(): Promise<void> {
    try {
      await this.#parts.wal.sync();
    } catch (error) {
      this.#noteFailure(error);
    }
  }
}
