import { isKvsError } from "@kvs/env";

import { sealKeyId } from "./fragment-seal.ts";
import { LogCursor, type SegmentSource } from "./log-cursor.ts";
import { SEALED_FRAGMENT } from "./record-format.ts";
import { SEGMENT_HEADER_BYTES } from "./segment-format.ts";
import { damagedAt } from "./tail-repair.ts";

/** A log's files, as far as the keys in them concern. */
export interface KeySource extends SegmentSource {
  readonly headBase: number;
}

/**
 * Which keys the records of each segment are sealed with. What this process appends is noted as it
 * is appended; what was there before is read once, when somebody asks.
 */
export class KeyUsage {
  readonly #source: KeySource;
  /** Where what is not noted ends: where the log ended when it was opened, or was cut since. */
  readonly #end: () => number;
  readonly #keys: Map<number, Set<number>> = new Map();
  #search: Promise<void> | undefined;
  #lastBase = -1;
  #lastKeyId = -1;

  constructor(source: KeySource, end: () => number) {
    this.#source = source;
    this.#end = end;
  }

  /** A record with this key is in the segment at `base`. Cheap when it is as the last one. */
  note(base: number, keyId: number): void {
    if (base === this.#lastBase && keyId === this.#lastKeyId) return;
    this.#lastBase = base;
    this.#lastKeyId = keyId;
    const keys = this.#keys.get(base) ?? new Set();
    this.#keys.set(base, keys.add(keyId));
  }

  /**
   * The keys that some record from the log's head on is sealed with.
   *
   * @throws {KvsError} `WAL_DAMAGED`, errors of the disk: nobody knows what else is in use.
   */
  async inUse(): Promise<ReadonlySet<number>> {
    this.#search ??= this.#searchAll().catch((error: unknown) => {
      this.#search = undefined; // the next question tries again
      throw error;
    });
    await this.#search;
    const used = new Set<number>();
    for (const [base, keys] of this.#keys) {
      if (base < this.#source.headBase) this.#keys.delete(base);
      else for (const keyId of keys) used.add(keyId);
    }
    return used;
  }

  async #searchAll(): Promise<void> {
    for (;;) {
      try {
        return await this.#searchFrom(this.#source.headBase + SEGMENT_HEADER_BYTES);
      } catch (error) {
        if (!isKvsError(error, "WAL_TRUNCATED")) throw error; // else there is less to read
      }
    }
  }

  async #searchFrom(from: number): Promise<void> {
    const source = this.#source;
    const cursor = new LogCursor({ source, from, mayBeginInside: true, limit: this.#end });
    while (cursor.position < this.#end()) {
      const step = cursor.step();
      if (step === undefined) await cursor.fill();
      else if (step.type === "rejection") throw damagedAt(source, step, undefined);
      else if ((step.flags & SEALED_FRAGMENT) !== 0) {
        const base = source.geometry.baseOf(step.start);
        const keys = this.#keys.get(base) ?? new Set();
        this.#keys.set(base, keys.add(sealKeyId(step.payload)));
      }
    }
  }
}
