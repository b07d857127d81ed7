import { type DocumentObject } from "@kvs/codec";
import { assert } from "@kvs/env";
import { queryError } from "../query-error.ts";
import { compareSortKeys, compareSortValues, type SortKey, sortKeyOf } from "./sort-key.ts";
import { type SortSpec } from "./sort-spec.ts";
import { type Comparator, TopK } from "./top-k.ts";

export interface SorterOptions {
  /** Leave out so many of the first documents. A safe integer of at least 0. Default: 0. */
  readonly skip?: number;
  /** Give at most so many. Default: all. */
  readonly limit?: number;
  /** Bytes of documents held at a time, as `add` is told. Default: `SORT_MAX_BYTES`. */
  readonly maxBytes?: number;
}

/** What one sort may hold: as much as MongoDB allows before it goes to disk. */
export const SORT_MAX_BYTES: number = 100 << 20;

/** What a held document costs beside its own bytes: a key, an entry and their headers. */
const ENTRY_BYTES = 100;

/** A document with what is needed to sort it. */
interface Entry<T> {
  readonly key: SortKey;
  /** The first value of the key once more: it decides most comparisons, and is nearer. */
  readonly first: SortKey[number];
  /** The order of arrival, which decides between equal keys: the sort is stable. */
  readonly sequence: number;
  readonly document: T;
  readonly bytes: number;
}

/**
 * Sorts documents that come one by one. With a limit it holds only `skip + limit` of them.
 *
 * Documents are held as they are and must not change until `finish`.
 */
export class DocumentSorter<T extends DocumentObject> {
  readonly #sort: SortSpec;
  readonly #compare: Comparator<Entry<T>>;
  readonly #skip: number;
  readonly #maxBytes: number;
  readonly #first: TopK<Entry<T>> | undefined;
  readonly #all: Entry<T>[] = [];
  #sequence = 0;
  #bytes = 0;

  constructor(sort: SortSpec, options: SorterOptions = {}) {
    const { skip = 0, limit, maxBytes = SORT_MAX_BYTES } = options;
    assert(isCount(skip), "a skip is a safe integer of at least 0");
    assert(limit === undefined || isCount(limit), "a limit is a safe integer of at least 0");
    assert(maxBytes >= 0, "a sort may hold at least nothing");
    this.#sort = sort;
    this.#compare = entryComparator(sort);
    this.#skip = skip;
    this.#maxBytes = maxBytes;
    // More than can be counted is no limit.
    const isBounded = limit !== undefined && isCount(skip + limit);
    this.#first = isBounded ? new TopK(this.#compare, limit === 0 ? 0 : skip + limit) : undefined;
  }

  /** Bytes of documents and entries held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes one document.
   *
   * @param bytes The document's size in memory or as encoded; the caller knows it.
   * @throws {KvsError} `QUERY_SORT_TOO_LARGE` if more would be held than may; the sorter then holds
   *   the document all the same, and is of no further use. `QUERY_SORT_PARALLEL_ARRAYS`.
   */
  add(document: T, bytes: number): void {
    assert(isCount(bytes), "a size is a safe integer of at least 0");
    const key = sortKeyOf(document, this.#sort);
    const entry = {
      key,
      first: key[0],
      sequence: this.#sequence++,
      document,
      bytes: bytes + ENTRY_BYTES,
    };
    this.#bytes += entry.bytes;
    if (this.#first === undefined) this.#all.push(entry);
    else this.#bytes -= this.#first.push(entry)?.bytes ?? 0;
    if (this.#bytes > this.#maxBytes) throw this.#tooLarge();
  }

  /** The documents in order, without those to skip. */
  finish(): T[] {
    const sorted = this.#first?.toSorted() ?? this.#all.toSorted(this.#compare);
    return sorted.slice(this.#skip).map(({ document }) => document);
  }

  #tooLarge(): Error {
    return queryError(
      "QUERY_SORT_TOO_LARGE",
      `the sort would hold more than the ${this.#maxBytes} bytes allowed; ` +
        "set a smaller limit, filter more, or create an index with this order",
      { maxBytes: this.#maxBytes },
    );
  }
}

function entryComparator<T>(sort: SortSpec): Comparator<Entry<T>> {
  const direction = sort[0]?.direction ?? 1;
  const hasMore = sort.length > 1;
  return (left, right) => {
    const order = compareSortValues(left.first, right.first);
    if (order !== 0) return order * direction;
    return (
      (hasMore && compareSortKeys(left.key, right.key, sort)) || left.sequence - right.sequence
    );
  };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
