import { assert } from "./assert.ts";

/** A producer that waits for room, with what it wants to add. */
interface Waiting<T> {
  readonly item: T;
  readonly added: () => void;
}

/**
 * First in, first out, with a limit: producers ask whether there is room, or wait for it.
 *
 * Items leave in the order in which `offer` and `put` were called, waiting producers included:
 * while one waits the queue is full, so nobody who comes later gets in before it.
 *
 * Cost: O(1) amortised a call; slots are reused, so a steady flow allocates nothing. Waiting
 * producers are not counted in the limit: each holds one item of its own.
 */
export class BoundedQueue<T> {
  readonly #capacity: number;
  readonly #items = new Slots<T>();
  readonly #waiting = new Slots<Waiting<T>>();

  /** @param capacity Items held at most, an integer of at least 1. */
  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity >= 1, "a queue holds at least one item");
    this.#capacity = capacity;
  }

  get count(): number {
    return this.#items.count;
  }

  get isFull(): boolean {
    return this.#items.count >= this.#capacity;
  }

  /** Adds at the tail, or returns false if the queue is full. */
  offer(item: T): boolean {
    if (this.isFull) return false;
    this.#items.push(item);
    return true;
  }

  /** Adds at the tail as soon as there is room. Waiting producers are served in their order. */
  put(item: T): Promise<void> {
    if (this.offer(item)) return Promise.resolve();
    return new Promise((added) => {
      this.#waiting.push({ item, added });
    });
  }

  /** Removes the head, or returns `undefined` if the queue is empty. */
  take(): T | undefined {
    if (this.#items.count === 0) return undefined;
    const item = this.#items.shift();
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#items.push(next.item); // in the same call: nobody can slip in between
      next.added();
    }
    assert(this.#waiting.count === 0 || this.isFull, "producers wait only while it is full");
    return item;
  }
}

/** A plain first-in-first-out list whose `shift` does not move the rest. */
class Slots<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get count(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined; // let go of it: the slot may live long
    this.#head++;
    if (this.#head === this.#items.length) this.#reset();
    else if (this.#head > 1024 && this.#head * 2 > this.#items.length) this.#compact();
    return item;
  }

  #reset(): void {
    this.#items.length = 0;
    this.#head = 0;
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
