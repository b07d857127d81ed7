import { AbstractIterator, type AbstractIteratorOptions } from "abstract-level";
import { type EntryBatch, type Snapshot, type Store } from "@kvs/txn";
import { type ByteRange, fromTarget, toByteRange } from "./byte-range.ts";
import { type StoreLevel } from "./store-level.ts";

/** An entry whose key or value was not asked for has `undefined` in its place. */
type ByteEntry = [key: Uint8Array | undefined, value: Uint8Array | undefined];

/** Options as the private interface has them: bounds are encoded. */
export type IteratorOptions<K, V> = Omit<
  AbstractIteratorOptions<K, V>,
  "gt" | "gte" | "lt" | "lte"
> & {
  readonly gt?: Uint8Array;
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly lte?: Uint8Array;
};

/** What an iterator reads from. */
export interface IteratorSource {
  readonly store: Store;
  readonly view: Snapshot;
  /** Whether the iterator closes the view; one of an explicit snapshot is its user's. */
  readonly isOwnView: boolean;
}

/** As `abstract-level` has it, which does not export it. */
class AbortError extends Error {
  override readonly name = "AbortError";
  readonly code = "LEVEL_ABORTED";

  constructor() {
    super("Operation has been aborted");
  }
}

/**
 * Walks over entries as they were when the iterator was made, or at its snapshot, in either
 * direction. It reads up to 512 entries or 1 MiB ahead.
 *
 * `abstract-level` calls the methods whose names begin with an underscore, one at a time.
 */
export class StoreIterator<K, V> extends AbstractIterator<StoreLevel<K, V>, K, V> {
  readonly #source: IteratorSource;
  readonly #signal: { readonly aborted: boolean } | undefined;
  readonly #range: ByteRange;
  readonly #hasKeys: boolean;
  readonly #hasValues: boolean;
  #batches: AsyncGenerator<EntryBatch, void, undefined> | undefined;
  /** The batch being read, and the entry in it that comes next. */
  #batch: EntryBatch | undefined;
  #index = 0;

  constructor(database: StoreLevel<K, V>, options: IteratorOptions<K, V>, source: IteratorSource) {
    super(database, options as AbstractIteratorOptions<K, V>);
    this.#source = source;
    this.#signal = options.signal ?? undefined;
    this.#range = toByteRange(options);
    this.#hasKeys = options.keys !== false;
    this.#hasValues = options.values !== false;
    this.#scan(this.#range);
  }

  async _next(): Promise<ByteEntry | undefined> {
    if (!this.#hasNext()) await this.#readOn();
    return this.#hasNext() ? this.#take() : undefined;
  }

  async _nextv(size: number): Promise<ByteEntry[]> {
    const entries: ByteEntry[] = [];
    while (entries.length < size) {
      if (!this.#hasNext()) await this.#readOn();
      if (!this.#hasNext()) break;
      while (entries.length < size && this.#hasNext()) entries.push(this.#take());
    }
    return entries;
  }

  _seek(target: Uint8Array): void {
    this.#scan(fromTarget(this.#range, target));
  }

  async _close(): Promise<void> {
    this.#batch = undefined;
    await this.#batches?.return();
    if (this.#source.isOwnView) this.#source.view.close();
  }

  #hasNext(): boolean {
    return this.#batch !== undefined && this.#index < this.#batch.count;
  }

  async #readOn(): Promise<void> {
    const step = await this.#batches?.next();
    if (this.#signal?.aborted === true) throw new AbortError();
    this.#batch = step?.value ?? undefined;
    this.#index = 0;
  }

  /** The next entry. Copies: who keeps one of many entries would keep the memory of all. */
  #take(): ByteEntry {
    const batch = this.#batch!;
    const index = this.#index++;
    const key = this.#hasKeys ? batch.key(index).slice() : undefined;
    const value = this.#hasValues ? batch.value(index).slice() : undefined;
    return [key, value];
  }

  /** Begins anew; without a range there is nothing more. */
  #scan(range: ByteRange | undefined): void {
    this.#batch = undefined;
    // One that was left unfinished holds nothing but a share of the view.
    this.#batches?.return().catch(() => undefined);
    this.#batches = undefined;
    if (range === undefined) return;
    const limit = this.limit - this.count;
    const { store, view } = this.#source;
    this.#batches = store.scanBatches({ ...range, limit, snapshot: view });
  }
}
