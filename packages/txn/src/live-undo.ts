import { isKvsError, sleep } from "@kvs/env";
import { ensureLastLog } from "./batch-space.ts";
import { type ActiveBatch } from "./engine-record.ts";
import { type UndoParts, undoBatch } from "./undo.ts";

/** Pause before another try at taking a batch back, when disk or cache had no room. */
const PAUSE_MS = 100;
/** Log asked for ahead of what the batch asked for: images after a checkpoint that began since. */
const LOG_BYTES: number = 64 << 10;
/** Tries before the store gives up, a minute: space that is not back by then is a case for people. */
const TRIES_MAX = 600;

/**
 * Takes back a batch that failed half way, while the store lives on: recovery's own undo, in the
 * batch's turn, before the next one begins.
 *
 * Where there is no room for a while, it waits and goes on. A damaged page or record on its way
 * leaves the batch half undone: that poisons the store, and the next open decides.
 */
export class LiveUndo {
  readonly #parts: UndoParts;
  readonly #isSkipped: boolean;
  #isStopped = false;

  constructor(parts: UndoParts) {
    this.#parts = parts;
    this.#isSkipped = parts.environment.hooks.hasMutant("txn.skip-live-undo");
  }

  /** Ends when the batch is gone, or the store is poisoned. Never rejects. */
  async run(batch: ActiveBatch): Promise<void> {
    const { environment, wal, guard, mini } = this.#parts;
    const { clock, hooks, trace } = environment;
    if (this.#isSkipped || guard.isPoisoned) return;
    mini.beginUndo(batch); // in this turn, so that no checkpoint misses it
    hooks.probe("txn.live-undo");
    let rest = batch;
    for (let tries = 1; ; tries++) {
      try {
        await ensureLastLog(wal, LOG_BYTES);
        return await undoBatch(this.#parts, rest);
      } catch (error) {
        mini.startAttempt(); // gives back what it had picked
        const mayPass = isKvsError(error) && error.retryable;
        if (guard.isPoisoned || !mayPass || tries === TRIES_MAX || this.#isStopped) {
          const fields = { error: String(error), tries };
          trace.event("error", "txn.undo", "a failed batch could not be taken back", fields);
          guard.poison(error);
          mini.endBatch();
          return;
        }
        rest = mini.active() ?? rest;
        await sleep(clock, PAUSE_MS);
      }
    }
  }

  /** The store is about to close: what has no room now is left to recovery. */
  stop(): void {
    this.#isStopped = true;
  }
}
