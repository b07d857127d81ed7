import { type RawBatch, type RawCursor, type RawRange, type RawScanEntry } from "@kvs/protocol";
import { type Entry } from "@kvs/txn";
import { type KeyRows } from "./key-rows.ts";
import { type RowStore } from "./row-store.ts";
import { keyOfRow, rowRange } from "./rows.ts";

/** A walk over the keys of a database, a bounded number at a time. */
export class RawWalk implements RawCursor {
  readonly #rows: RowStore;
  readonly #keys: KeyRows;
  readonly #range: RawRange;
  #entries: AsyncGenerator<Entry, void, undefined> | undefined;
  #left: number;
  #isClosed = false;

  constructor(rows: RowStore, keys: KeyRows, range: RawRange) {
    this.#rows = rows;
    this.#keys = keys;
    this.#range = range;
    this.#left = range.limit ?? Number.POSITIVE_INFINITY;
  }

  async next(entriesMax: number, bytesMax: number): Promise<RawBatch> {
    const space = await this.#keys.space();
    if (space === undefined || this.#left <= 0 || this.#isClosed) return END;
    this.#entries ??= this.#walk(space);
    const entries: RawScanEntry[] = [];
    let bytes = 0;
    while (entries.length < entriesMax && bytes < bytesMax) {
      const step = await this.#entries.next();
      if (step.done === true) return { entries, isEnd: true };
      const entry = this.#toRaw(step.value);
      if (entry === undefined) continue;
      entries.push(entry);
      bytes += entry.key.length + (entry.value?.length ?? 0);
      if (--this.#left <= 0) {
        await this.#entries.return();
        return { entries, isEnd: true };
      }
    }
    return { entries, isEnd: false };
  }

  close(): void {
    this.#isClosed = true;
    this.#left = 0;
    this.#entries?.return().catch(() => undefined); // a step under way reports its own failure
  }

  #walk(space: number): AsyncGenerator<Entry, void, undefined> {
    const { from, to, isReverse } = this.#range;
    return this.#rows.walk({ ...rowRange(space, from, to), reverse: isReverse });
  }

  #toRaw(found: Entry): RawScanEntry | undefined {
    const visible = this.#keys.visible(found);
    if (visible === undefined) return undefined;
    const value = this.#range.isKeysOnly ? undefined : visible.value;
    return { key: keyOfRow(found.key), value, version: visible.version };
  }
}

const END: RawBatch = { entries: [], isEnd: true };
