import { KvsError } from "./kvs-error.ts";

/**
 * Tells that a caller no longer wants an answer. An `AbortSignal` is one; code without platform
 * types makes its own with {@link CancelSource}.
 */
export interface CancelSignal {
  readonly aborted: boolean;
  /** Why, once `aborted`; `undefined` before. */
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Owns one signal and can cancel it, once. */
export class CancelSource {
  readonly #signal = new OwnSignal();

  get signal(): CancelSignal {
    return this.#signal;
  }

  /**
   * Cancels the signal and calls its listeners, in the order in which they were added. A second
   * call changes nothing. A listener must not throw.
   */
  cancel(reason: unknown = canceled()): void {
    this.#signal.cancel(reason);
  }
}

class OwnSignal implements CancelSignal {
  readonly #listeners = new Set<() => void>();
  aborted = false;
  reason: unknown = undefined;

  addEventListener(_type: "abort", listener: () => void): void {
    if (!this.aborted) this.#listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }

  cancel(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}

/**
 * Throws the reason of a signal that is already cancelled; does nothing otherwise.
 *
 * @throws The signal's `reason`, or `CANCELED` if it has none.
 */
export function throwIfCanceled(signal: CancelSignal | undefined): void {
  if (signal?.aborted === true) throw signal.reason ?? canceled();
}

/** `CANCELED`: the caller gave up; how far the work had come is unknown. */
function canceled(): KvsError<"CANCELED"> {
  return new KvsError("CANCELED", "the caller cancelled the operation", { outcome: "unknown" });
}
