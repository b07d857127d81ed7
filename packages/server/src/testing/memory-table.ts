import { compareBytes } from "@kvs/codec";

export interface MemoryRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  /** On the wall clock; `undefined`: never. */
  readonly expiresMs: number | undefined;
}

/** Rows sorted by their keys. Slow for many new keys in random order: for tests only. */
export class MemoryTable {
  #rows: MemoryRow[] = [];

  get count(): number {
    return this.#rows.length;
  }

  get(key: Uint8Array): MemoryRow | undefined {
    const at = this.#find(key);
    const row = this.#rows[at];
    return row !== undefined && compareBytes(row.key, key) === 0 ? row : undefined;
  }

  put(row: MemoryRow): void {
    const at = this.#find(row.key);
    const before = this.#rows[at];
    const isThere = before !== undefined && compareBytes(before.key, row.key) === 0;
    this.#rows.splice(at, isThere ? 1 : 0, row);
  }

  delete(key: Uint8Array): void {
    if (this.get(key) !== undefined) this.#rows.splice(this.#find(key), 1);
  }

  /** The rows with keys in [from, to), in order. */
  slice(from: Uint8Array | undefined, to: Uint8Array | undefined): MemoryRow[] {
    const first = from === undefined ? 0 : this.#find(from);
    const last = to === undefined ? this.#rows.length : this.#find(to);
    return this.#rows.slice(first, Math.max(first, last));
  }

  /** Position of the first row whose key is not before `key`. */
  #find(key: Uint8Array): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#rows[middle]!.key, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
