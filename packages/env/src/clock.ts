import { type CancelSignal, throwIfCanceled } from "./cancel-signal.ts";

/** A timer that may still fire. */
export interface Timer {
  /** Keeps the action from running. Does nothing once it ran. */
  cancel(): void;
}

/**
 * Time as one host sees it. The two readings are unrelated: never subtract one from the other.
 *
 * Numbered contract, checked by the conformance suite of `@kvs/sim` on both environments:
 * 1. `monotonicMs` never goes back, and stands still only within one turn of the event loop.
 * 2. `wallMs` is whatever the host believes: it may jump either way at any moment.
 * 3. A scheduled action never runs before its delay has passed on the monotonic clock, never
 *    inside the call that scheduled it, and may run arbitrarily late (a pause, a long turn).
 * 4. Of two timers with different due times the earlier runs first; with equal ones, the one
 *    scheduled first.
 */
export interface Clock {
  /** Milliseconds since some moment before this process began, with fractions. Durations only. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01 UTC, an integer. For people and for timestamps, not for durations. */
  wallMs(): number;
  /**
   * Runs `action` once, `delayMs` or more from now.
   *
   * @param delayMs 0 to 2^31 - 1, fractions allowed.
   */
  schedule(delayMs: number, action: () => void): Timer;
  /**
   * Runs `action` at the end of this turn: after the handlers of all input that has already
   * arrived, before any timer that is not yet due. This is where work of one turn becomes a batch.
   */
  defer(action: () => void): void;
}

/**
 * Waits `delayMs` on the clock.
 *
 * @throws The signal's reason, as soon as it is cancelled.
 */
export function sleep(clock: Clock, delayMs: number, signal?: CancelSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    throwIfCanceled(signal);
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.schedule(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort);
  });
}

/** Lets everything else that is ready run first: cuts long work into slices. */
export function yieldTurn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.defer(resolve);
  });
}
