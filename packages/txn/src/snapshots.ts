import { assert } from "@kvs/env";
import { txnError } from "./txn-error.ts";
import { type Timestamp } from "./timestamp.ts";

/**
 * A consistent view of the store at one timestamp. As long as it is open, the versions that it sees
 * are kept; close it.
 */
export class Snapshot {
  readonly timestamp: Timestamp;
  readonly #registry: SnapshotRegistry;
  #isOpen = true;

  constructor(registry: SnapshotRegistry, timestamp: Timestamp) {
    this.#registry = registry;
    this.timestamp = timestamp;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Another snapshot of the same moment, to be closed on its own. */
  share(): Snapshot {
    this.requireOpen();
    return this.#registry.share(this.timestamp);
  }

  /** Lets its versions go. A second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#registry.release(this.timestamp);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @throws {KvsError} `TXN_SNAPSHOT_CLOSED`. */
  requireOpen(): void {
    if (this.#isOpen) return;
    throw txnError("TXN_SNAPSHOT_CLOSED", "the snapshot is closed; open a new one");
  }
}

/** Knows which snapshots are open, so that nothing they see is pruned. */
export class SnapshotRegistry {
  /** Timestamps in ascending order, for they are opened at a time that only grows. */
  readonly #timestamps: Timestamp[] = [];
  readonly #counts: number[] = [];
  #openCount = 0;

  get openCount(): number {
    return this.#openCount;
  }

  /** The oldest timestamp in use, `undefined` if there is none. */
  get oldest(): Timestamp | undefined {
    return this.#timestamps[0];
  }

  /** Whether one is open at a timestamp in [from, below). */
  hasBetween(from: Timestamp, below: Timestamp): boolean {
    let low = 0;
    for (let high = this.#timestamps.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.#timestamps[middle]! < from) low = middle + 1;
      else high = middle;
    }
    return low < this.#timestamps.length && this.#timestamps[low]! < below;
  }

  /** Opens a view at this timestamp, which is not below any that was opened before. */
  open(timestamp: Timestamp): Snapshot {
    const newest = this.#timestamps.at(-1);
    assert(newest === undefined || newest <= timestamp, "snapshots are opened in their order");
    if (newest === timestamp) this.#counts[this.#counts.length - 1]!++;
    else {
      this.#timestamps.push(timestamp);
      this.#counts.push(1);
    }
    this.#openCount++;
    return new Snapshot(this, timestamp);
  }

  /** For {@link Snapshot.share} alone. */
  share(timestamp: Timestamp): Snapshot {
    const at = this.#timestamps.indexOf(timestamp);
    assert(at >= 0, "an open snapshot is registered");
    this.#counts[at]!++;
    this.#openCount++;
    return new Snapshot(this, timestamp);
  }

  /** For {@link Snapshot.close} alone. */
  release(timestamp: Timestamp): void {
    const at = this.#timestamps.indexOf(timestamp);
    assert(at >= 0, "an open snapshot is registered");
    this.#openCount--;
    const count = this.#counts[at]! - 1;
    this.#counts[at] = count;
    if (count > 0) return;
    this.#timestamps.splice(at, 1);
    this.#counts.splice(at, 1);
  }
}
