/**
 * Duties 2 and 3: writes what Readys ask for, in order, and makes it durable; one sync serves all that
 * were written meanwhile.
 *
 * A full disk is waited for: the core sees a disk that hangs, and gives leadership away. Any other failure
 * of a sync is final.
 */
import { type Clock, isKvsError, sleep } from "@kvs/env";

import { type Ready } from "../core/ready.ts";
import { type GroupLog } from "../store/group-log.ts";
import { type DriverSabotage } from "./driver-mutants.ts";

/** Between two attempts to write to a full disk. */
const RETRY_MS = 100;

export interface FlusherHandlers {
  /** Readys are durable, in order. */
  durable(readys: readonly Ready[]): void;
  /** The log failed: nobody knows what of it is durable. */
  failed(error: unknown): void;
}

export class LogFlusher {
  readonly #clock: Clock;
  readonly #log: GroupLog;
  readonly #handlers: FlusherHandlers;
  readonly #isHasty: boolean;
  #written: Ready[] = [];
  #isRunning = false;
  #isStopped = false;

  constructor(
    parts: { readonly clock: Clock; readonly log: GroupLog; readonly sabotage: DriverSabotage },
    handlers: FlusherHandlers,
  ) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#handlers = handlers;
    this.#isHasty = parts.sabotage["raft.driver.report-before-sync"];
  }

  /** Writes at once; `durable` is called in a later turn. */
  add(ready: Ready): void {
    try {
      if (ready.number !== 0) this.#log.write(ready);
    } catch (error) {
      this.#handlers.failed(error);
      return;
    }
    this.#written.push(ready);
    if (!this.#isRunning) void this.#run();
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#written.length > 0 && !this.#isStopped) {
        const readys = this.#written;
        this.#written = [];
        if (!this.#isHasty) await this.#sync();
        else await Promise.resolve();
        if (!this.#isStopped) this.#handlers.durable(readys);
      }
    } catch (error) {
      this.#handlers.failed(error);
    } finally {
      this.#isRunning = false;
    }
  }

  async #sync(): Promise<void> {
    for (;;) {
      try {
        await this.#log.sync();
        return;
      } catch (error) {
        if (!isKvsError(error) || !error.retryable || this.#isStopped) throw error;
        await sleep(this.#clock, RETRY_MS);
      }
    }
  }
}
