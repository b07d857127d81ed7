import { type RawBatch, type RawCursor, type RawRange, type RawScanEntry } from "@kvs/protocol";
import { type Entry, type Snapshot } from "@kvs/txn";
import { type KeyRows } from "./key-rows.ts";
import { type RowAccess } from "./row-access.ts";
import { keyOfRow, rowRange } from "./rows.ts";

export interface RawWalkParts {
  readonly rows: RowAccess;
  readonly keys: KeyRows;
  /** Takes the moment that the walk sees; not needed where all of `rows` is of one moment. */
  readonly snapshot?: () => Snapshot;
}

/** A walk over the keys of a database, a bounded number at a time. */
export class RawWalk implements RawCursor {
  readonly #rows: RowAccess;
  readonly #takeSnapshot: (() => Snapshot) | undefined;
  readonly #keys: KeyRows;
  readonly #range: RawRange;
  #steps: AsyncGenerator<readonly Entry[], void, undefined> | undefined;
  /** Rows of the latest step, and how many of them were given out. */
  #rowsOfStep: readonly Entry[] = [];
  #used = 0;
  /** The moment that it sees: what expires later is there until the walk ends. */
  #snapshot: Snapshot | undefined;
  #left: number;
  #isClosed = false;

  constructor(parts: RawWalkParts, range: RawRange) {
    this.#rows = parts.rows;
    this.#keys = parts.keys;
    this.#takeSnapshot = parts.snapshot;
    this.#range = range;
    this.#left = range.limit ?? Number.POSITIVE_INFINITY;
  }

  async next(entriesMax: number, bytesMax: number): Promise<RawBatch> {
    const space = await this.#keys.space();
    if (space === undefined || this.#left <= 0 || this.#isClosed) return END;
    this.#steps ??= this.#walk(space);
    const batch = { entries: [], isEnd: true };
    try {
      batch.isEnd = await this.#fill(batch.entries, this.#steps, { entriesMax, bytesMax });
    } finally {
      if (batch.isEnd) this.#letGo();
    }
    return batch;
  }

  close(): void {
    this.#isClosed = true;
    this.#left = 0;
    this.#letGo();
  }

  /** Takes entries up to a limit. Returns whether that was all. */
  async #fill(
    target: RawScanEntry[],
    steps: AsyncGenerator<readonly Entry[], void, undefined>,
    limits: { readonly entriesMax: number; readonly bytesMax: number },
  ): Promise<boolean> {
    const { entriesMax, bytesMax } = limits;
    for (let bytes = 0; target.length < entriesMax && bytes < bytesMax;) {
      if (this.#used === this.#rowsOfStep.length) {
        const step = await steps.next();
        if (step.done === true) return true;
        this.#rowsOfStep = step.value;
        this.#used = 0;
      }
      const entry = this.#toRaw(this.#rowsOfStep[this.#used++]!);
      if (entry === undefined) continue;
      target.push(entry);
      bytes += entry.key.length + (entry.value?.length ?? 0);
      if (--this.#left <= 0) return true;
    }
    return false;
  }

  #letGo(): void {
    this.#snapshot?.close();
    this.#steps?.return().catch(() => undefined); // a step under way reports its own failure
  }

  #walk(space: number): AsyncGenerator<readonly Entry[], void, undefined> {
    const { from, to, isReverse } = this.#range;
    const range = { ...rowRange(space, from, to), reverse: isReverse };
    if (this.#takeSnapshot === undefined) return this.#rows.walk(range);
    const snapshot = (this.#snapshot = this.#takeSnapshot());
    return this.#rows.walk({ ...range, snapshot });
  }

  #toRaw(found: Entry): RawScanEntry | undefined {
    const visible = this.#keys.visible(found, this.#snapshot?.timestamp);
    if (visible === undefined) return undefined;
    const value = this.#range.isKeysOnly ? undefined : visible.value;
    return { key: keyOfRow(found.key), value, version: visible.version };
  }
}

const END: RawBatch = { entries: [], isEnd: true };
