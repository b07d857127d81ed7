import { assert } from "@kvs/env";
import { type Timestamp } from "../timestamp.ts";
import { type NameRange, isInRange } from "./key-name.ts";

/** Keys that the window holds at most: some 100 bytes each. Readers from before are too old then. */
const WINDOW_KEYS_MAX = 200_000;

/** The keys of one batch, and when it took effect. */
export interface WindowEntry {
  readonly names: readonly string[];
  /** `Infinity` while it is under way. */
  timestamp: Timestamp;
}

/**
 * What was written since the oldest open transaction began: against it a commit is validated. Batches
 * that are under way are in it, so that two commits that overlap in time cannot miss each other.
 *
 * Cost: a look-up for each key that was read; for each range the keys written since.
 * Source: Kung & Robinson, "On Optimistic Methods for Concurrency Control" (1981), backward
 * validation; with the ranges it also covers phantoms.
 */
export class ConflictWindow {
  readonly #keysMax: number;
  /** In the order in which the batches were proposed, which is that of their timestamps. */
  #entries: WindowEntry[] = [];
  /** The latest batch that wrote a key. */
  readonly #latest = new Map<string, WindowEntry>();
  /** Keys of prepared transactions, and how many of these write each: under way for long. */
  readonly #pinned = new Map<string, number>();
  #keyCount = 0;
  /** Whoever reads below it cannot be validated any more. */
  #floor: Timestamp = 0;

  constructor(keysMax: number = WINDOW_KEYS_MAX) {
    this.#keysMax = keysMax;
  }

  /** Keys in the window. */
  get size(): number {
    return this.#keyCount;
  }

  /** The lowest read timestamp that can be validated. */
  get floor(): Timestamp {
    return this.#floor;
  }

  /** Notes a batch that is about to be proposed. */
  note(names: readonly string[]): WindowEntry {
    const entry = { names, timestamp: Number.POSITIVE_INFINITY };
    this.#entries.push(entry);
    for (const name of names) this.#latest.set(name, entry);
    this.#keyCount += names.length;
    if (this.#keyCount > this.#keysMax) this.#shrink();
    return entry;
  }

  /** The batch took effect. */
  settle(entry: WindowEntry, timestamp: Timestamp): void {
    entry.timestamp = timestamp;
  }

  /** The batch certainly has no effect. */
  remove(entry: WindowEntry): void {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return; // it has left the window already
    this.#entries.splice(at, 1);
    this.#keyCount -= entry.names.length;
    for (const name of entry.names) {
      if (this.#latest.get(name) !== entry) continue;
      const before = this.#entries.findLast(({ names }) => names.includes(name));
      if (before === undefined) this.#latest.delete(name);
      else this.#latest.set(name, before);
    }
  }

  /** Keys that may be written at any time, until `unpin`: of a transaction that waits for a decision. */
  pin(names: readonly string[]): void {
    for (const name of names) this.#pinned.set(name, (this.#pinned.get(name) ?? 0) + 1);
  }

  unpin(names: readonly string[]): void {
    for (const name of names) {
      const count = this.#pinned.get(name);
      assert(count !== undefined, "only what was pinned is unpinned");
      if (count === 1) this.#pinned.delete(name);
      else this.#pinned.set(name, count - 1);
    }
  }

  /** Whether the key was written after this timestamp, or is being written. */
  isWrittenAfter(name: string, timestamp: Timestamp): boolean {
    if (this.#pinned.has(name)) return true;
    const entry = this.#latest.get(name);
    return entry !== undefined && entry.timestamp > timestamp;
  }

  /** A key of the range that was written after this timestamp, `undefined` if there is none. */
  writtenInRange(range: NameRange, timestamp: Timestamp): string | undefined {
    for (const name of this.#pinned.keys()) if (isInRange(name, range)) return name;
    for (let at = this.#entries.length - 1; at >= 0; at--) {
      const entry = this.#entries[at]!;
      if (entry.timestamp <= timestamp) return undefined; // so are all before it
      const found = entry.names.find((name) => isInRange(name, range));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Forgets what nobody needs who reads at this timestamp or above. */
  trim(timestamp: Timestamp): void {
    assert(timestamp >= this.#floor, "the oldest reader only gets newer");
    let count = 0;
    while (count < this.#entries.length && this.#entries[count]!.timestamp <= timestamp) count++;
    this.#drop(count);
    this.#floor = timestamp;
  }

  /** Forgets the older half of what is decided: whoever reads from before is too old. */
  #shrink(): void {
    let count = 0;
    let keys = 0;
    while (keys < this.#keyCount / 2 && this.#entries[count]!.timestamp !== Infinity) {
      keys += this.#entries[count]!.names.length;
      count++;
    }
    if (count === 0) return;
    this.#floor = Math.max(this.#floor, this.#entries[count - 1]!.timestamp);
    this.#drop(count);
  }

  #drop(count: number): void {
    for (let at = 0; at < count; at++) {
      const entry = this.#entries[at]!;
      this.#keyCount -= entry.names.length;
      for (const name of entry.names) {
        if (this.#latest.get(name) === entry) this.#latest.delete(name);
      }
    }
    if (count > 0) this.#entries = this.#entries.slice(count);
  }
}
