import { assert } from "@kvs/env";
import { txnError } from "./txn-error.ts";

/**
 * Stands between a mutation that went wrong and the disk. From `enter` to `leave` pages are half
 * changed; whatever is thrown in between poisons the store: no further write, no write-back, for
 * memory no longer tells the truth. Recovery starts again from the log.
 */
export class MutationGuard {
  readonly #poisoned: ((cause: unknown) => void)[] = [];
  #isMutating = false;
  #cause: unknown = undefined;
  #isPoisoned = false;

  get isPoisoned(): boolean {
    return this.#isPoisoned;
  }

  get isMutating(): boolean {
    return this.#isMutating;
  }

  /** Calls `listener` once, when the store is poisoned. */
  onPoisoned(listener: (cause: unknown) => void): void {
    this.#poisoned.push(listener);
  }

  enter(): void {
    assert(!this.#isMutating, "mutations do not nest");
    this.requireSound();
    this.#isMutating = true;
  }

  leave(): void {
    assert(this.#isMutating, "only what was entered is left");
    this.#isMutating = false;
  }

  /**
   * Runs synchronous code that may mutate. What it throws inside a mutation poisons the store, and
   * is passed on in any case.
   */
  run<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      if (this.#isMutating) {
        this.#isMutating = false; // what comes next is refused, and told why
        this.poison(error);
      }
      throw error;
    }
  }

  /** Ends all writing, for good. Only the first cause counts. */
  poison(cause: unknown): void {
    if (this.#isPoisoned) return;
    this.#isPoisoned = true;
    this.#cause = cause;
    for (const listener of this.#poisoned) listener(cause);
  }

  /** @throws {KvsError} `TXN_POISONED`, with the first cause. */
  requireSound(): void {
    if (!this.#isPoisoned) return;
    throw this.error();
  }

  /** The error that every write gets from now on. */
  error(outcome: "none" | "unknown" = "none"): Error {
    const message =
      "the store refuses writes after a failure that left it in doubt; " +
      "close it and open it again, so that it recovers from its log";
    return txnError("TXN_POISONED", message, { outcome, cause: this.#cause });
  }
}
