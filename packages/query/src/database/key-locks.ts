import { assert } from "@kvs/env";

/**
 * Exclusive locks on keys, first come, first served: whoever evaluates a write holds the locks of
 * its keys from before it reads until its batch is durable. So no two writes of one key are
 * evaluated against the same state, however many are under way.
 *
 * Several keys are locked in one call, all at the tail of their queues at the same moment: two such
 * calls can never wait for each other.
 *
 * Cost: one entry of a Map for each key held.
 */
export class KeyLocks {
  /** For each held key, those who wait for it; absent: free. */
  readonly #queues = new Map<string, Waiter[]>();

  /** Keys that are held. */
  get heldCount(): number {
    return this.#queues.size;
  }

  /**
   * Locks these keys, each named once.
   *
   * @returns `undefined` if all were free and are held now; else a promise that resolves when they
   *   are held.
   */
  acquire(keys: readonly string[]): Promise<void> | undefined {
    const busy: Waiter[][] = [];
    for (const key of keys) {
      const queue = this.#queues.get(key);
      if (queue === undefined) this.#queues.set(key, []);
      else busy.push(queue);
    }
    if (busy.length === 0) return undefined;
    return new Promise((resolve) => {
      const waiter = { missing: busy.length, resolve };
      for (const queue of busy) queue.push(waiter);
    });
  }

  /** Unlocks keys; each passes on to whoever waits for it longest. */
  release(keys: readonly string[]): void {
    for (const key of keys) {
      const queue = this.#queues.get(key);
      assert(queue !== undefined, "only a held key is released");
      const next = queue.shift();
      if (next === undefined) this.#queues.delete(key);
      else if (--next.missing === 0) next.resolve();
    }
  }
}

interface Waiter {
  /** Keys it does not hold yet. */
  missing: number;
  readonly resolve: () => void;
}

/** The name of a key for the locks: its bytes as characters. */
export function lockName(key: Uint8Array): string {
  // Not by spreading (1.0 µs for 24 bytes) nor byte by byte (0.4 µs): 0.25 µs.
  return String.fromCharCode.apply(undefined, key as unknown as number[]);
}
