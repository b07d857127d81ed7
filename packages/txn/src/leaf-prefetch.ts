import { Descent, Probe } from "@kvs/btree";
import { type Pager } from "@kvs/pager";
import { BatchReader } from "./batch-format.ts";
import { type Forest } from "./forest.ts";
import { type Timestamp } from "./timestamp.ts";

/** Leaves on their way at the same time: a few for each thread that reads. */
const PREFETCHES_MAX = 32;
/** Rows of one batch that are looked ahead for. */
const ROWS_MAX = 64;
/** With fewer frames the leaves would push each other out. */
const FRAMES_MIN = 1024;

export interface LeafPrefetchParts {
  readonly pager: Pager;
  readonly forest: Forest;
}

/**
 * Has the leaves of batches that wait for their turn brought into memory meanwhile. Batches are applied
 * one after the other, so that each would wait for its pages alone; like this the disk reads for many
 * at once. It changes nothing but the time it takes.
 */
export class LeafPrefetch {
  readonly #parts: LeafPrefetchParts;
  readonly #reader = new BatchReader();
  readonly #probe = new Probe();
  #running = 0;

  constructor(parts: LeafPrefetchParts) {
    this.#parts = parts;
  }

  /** Looks ahead for a batch. */
  note(batch: Uint8Array): void {
    if (this.#parts.pager.frameCount < FRAMES_MIN) return;
    const reader = this.#reader.reset(batch);
    for (let row = 0; row < ROWS_MAX && this.#running < PREFETCHES_MAX && reader.next(); row++) {
      this.#probe.setRange(batch, reader.keyFrom, reader.keyTo, NEWEST);
      this.#fetch(reader.tree);
    }
  }

  #fetch(tree: number): void {
    const { pager, forest } = this.#parts;
    if (!forest.has(tree)) return;
    const descent = new Descent(forest.tree(tree).state, pager);
    descent.probe.copyFrom(this.#probe);
    this.#running++;
    pager
      .attempt(() => void descent.reach(0))
      .catch(() => undefined) // the batch itself will be told
      .finally(() => {
        this.#running--;
      });
  }
}

/** Where a new version of a key goes. */
const NEWEST: Timestamp = Number.MAX_SAFE_INTEGER;
