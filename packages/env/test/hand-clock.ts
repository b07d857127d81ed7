import { type Clock, type Timer } from "../src/clock.ts";

/** A clock that moves when the test says so. */
export class HandClock implements Clock {
  #nowMs = 0;
  #deferred: (() => void)[] = [];
  readonly #timers = new Set<{ readonly dueMs: number; readonly action: () => void }>();

  get timerCount(): number {
    return this.#timers.size;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_000_000 + Math.floor(this.#nowMs);
  }

  schedule(delayMs: number, action: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, action };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  defer(action: () => void): void {
    this.#deferred.push(action);
  }

  /** Ends the turn, then runs what is due `ms` later. */
  async advance(ms: number): Promise<void> {
    await settle();
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const action of deferred) action();
    this.#nowMs += ms;
    for (const timer of this.#timers) {
      if (timer.dueMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      timer.action();
    }
    await settle();
  }
}

/** Lets promises settle: more rounds than any chain in these tests has links. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 10; round++) await Promise.resolve();
}
