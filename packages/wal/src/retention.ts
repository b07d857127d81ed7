import { assert } from "@kvs/env";

import { truncated } from "./wal-error.ts";

/** As many users as one log may have: a Raft group each. */
export const RETENTIONS_MAX = 65_536;

/** Keeps records from `truncateBefore`: one user's claim on a shared log. */
export interface WalRetention {
  readonly name: string;
  /**
   * Records from here on stay. Set it to move it forward; going back is a bug, for what lies before
   * may be gone. Nothing is dropped before the next `truncateBefore`.
   */
  position: number;
  /** Gives the claim up. */
  release(): void;
}

/** The claims on one log. They live as long as the process: each user claims again after an open. */
export class Retentions {
  readonly #retentions: Map<string, Retention> = new Map();

  /** The lowest position that anyone needs; `Infinity` if nobody claims any. */
  get minimum(): number {
    let minimum = Infinity;
    for (const { position } of this.#retentions.values()) minimum = Math.min(minimum, position);
    return minimum;
  }

  /**
   * @param head Where the log begins now.
   * @throws {KvsError} `WAL_TRUNCATED` if the position is before it.
   */
  add(name: string, position: number, head: number): WalRetention {
    assert(!this.#retentions.has(name), "a name claims one position");
    assert(this.#retentions.size < RETENTIONS_MAX, "a log has at most RETENTIONS_MAX claims");
    if (position < head) throw truncated(position, head);
    const retention = new Retention(name, position, () => this.#retentions.delete(name));
    this.#retentions.set(name, retention);
    return retention;
  }
}

class Retention implements WalRetention {
  readonly name: string;
  readonly release: () => void;
  #position: number;

  constructor(name: string, position: number, release: () => void) {
    this.name = name;
    this.#position = position;
    this.release = release;
  }

  get position(): number {
    return this.#position;
  }

  set position(position: number) {
    assert(Number.isSafeInteger(position), "a position is an integer in [0, 2^53)");
    assert(position >= this.#position, "a claim moves forward");
    this.#position = position;
  }
}
