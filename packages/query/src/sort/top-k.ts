import { assert } from "@kvs/env";

/** Orders two items: negative if `left` comes first. Items must not be equal: add a number. */
export type Comparator<T> = (left: T, right: T) => number;

/**
 * Keeps the first `count` of any number of items, in memory for `count`.
 *
 * Items that compare as equal may come out in either order, so a stable sort needs a comparator
 * that breaks ties by the order of arrival.
 *
 * Cost: a comparison for an item that is refused, log2(count) for one that is kept.
 *
 *   A binary heap, the last item on top:
 *   1. heap[i] comes after heap[2i + 1] and heap[2i + 2], or equals them.
 *   2. heap.length is at most `count`.
 */
export class TopK<T> {
  readonly #compare: Comparator<T>;
  readonly #count: number;
  readonly #heap: T[] = [];

  /** @param count A safe integer of at least 0. */
  constructor(compare: Comparator<T>, count: number) {
    assert(Number.isSafeInteger(count) && count >= 0, "a count is a safe integer of at least 0");
    this.#compare = compare;
    this.#count = count;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Offers an item. @returns What is not among the first: `item`, an earlier one, or nothing. */
  push(item: T): T | undefined {
    const heap = this.#heap;
    if (heap.length < this.#count) {
      heap.push(item);
      this.#rise(heap.length - 1);
      return undefined;
    }
    if (heap.length === 0) return item;
    const last = heap[0]!;
    if (this.#compare(item, last) >= 0) return item;
    heap[0] = item;
    this.#sink(0);
    return last;
  }

  /** The kept items in order. */
  toSorted(): T[] {
    return this.#heap.toSorted(this.#compare);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compare(heap[at]!, heap[parent]!) <= 0) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #sink(from: number): void {
    const heap = this.#heap;
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      if (left >= heap.length) return;
      const isRightLater = right < heap.length && this.#compare(heap[right]!, heap[left]!) > 0;
      const later = isRightLater ? right : left;
      if (this.#compare(heap[later]!, heap[at]!) <= 0) return;
      this.#swap(at, later);
      at = later;
    }
  }

  #swap(left: number, right: number): void {
    const heap = this.#heap;
    [heap[left], heap[right]] = [heap[right]!, heap[left]!];
  }
}
