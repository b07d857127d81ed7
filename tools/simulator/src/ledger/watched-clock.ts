import { type Clock, type Timer } from "@kvs/env";

/** A reading may differ by a rounding of the last bits of a double. */
const TOLERANCE_MS = 1e-6;

/**
 * A clock that watches the one it passes on: its readings and timers must keep the contract of
 * `Clock` (points 1, 3 and 4), whatever the faults.
 *
 * @param broke Hears each breach.
 */
export function watchClock(clock: Clock, broke: (breach: string) => void): Clock {
  return new WatchedClock(clock, broke);
}

class WatchedClock implements Clock {
  readonly #clock: Clock;
  readonly #broke: (breach: string) => void;
  #lastMs = 0;
  /** Due time and number of the timer that ran last. */
  #lastDueMs = 0;
  #lastNumber = 0;
  #scheduled = 0;

  constructor(clock: Clock, broke: (breach: string) => void) {
    this.#clock = clock;
    this.#broke = broke;
  }

  monotonicMs(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#lastMs) this.#broke(`monotonic time went from ${this.#lastMs} to ${nowMs}`);
    this.#lastMs = nowMs;
    return nowMs;
  }

  wallMs(): number {
    const wallMs = this.#clock.wallMs();
    if (!Number.isSafeInteger(wallMs)) this.#broke(`wall time ${wallMs} is no integer`);
    return wallMs;
  }

  schedule(delayMs: number, action: () => void): Timer {
    const dueMs = this.monotonicMs() + delayMs;
    const number = ++this.#scheduled;
    let isInside = true;
    const timer = this.#clock.schedule(delayMs, () => {
      if (isInside) this.#broke("a timer ran inside the call that scheduled it");
      this.#ran(dueMs, number);
      action();
    });
    isInside = false;
    return timer;
  }

  defer(action: () => void): void {
    this.#clock.defer(action);
  }

  #ran(dueMs: number, number: number): void {
    const nowMs = this.monotonicMs();
    if (nowMs < dueMs - TOLERANCE_MS) this.#broke(`a timer due at ${dueMs} ran at ${nowMs}`);
    const isInOrder =
      dueMs > this.#lastDueMs || (dueMs === this.#lastDueMs && number > this.#lastNumber);
    // A timer that was scheduled after the last one ran may well be due before it was.
    if (!isInOrder && number < this.#lastNumber) {
      this.#broke(`a timer due at ${dueMs} ran after one due at ${this.#lastDueMs}`);
    }
    [this.#lastDueMs, this.#lastNumber] = [dueMs, number];
  }
}
