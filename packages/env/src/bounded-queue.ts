import { assert } from "./assert.ts";

/**
 * First in, first out, with a limit: producers ask whether there is room, or wait for it.
 *
 * Cost: O(1) amortised a call; slots are reused, so a steady flow allocates nothing.
 */
export class BoundedQueue<T> {
  readonly #capacity: number;
  readonly #waitingForRoom: (() => void)[] = [];
  #items: (T | undefined)[] = [];
  #head = 0;

  /** @param capacity Items held at most, an integer of at least 1. */
  constructor(capacity: number) {
    assert(Number.isInteger(capacity) && capacity >= 1, "a queue holds at least one item");
    this.#capacity = capacity;
  }

  get count(): number {
    return this.#items.length - this.#head;
  }

  get isFull(): boolean {
    return this.count >= this.#capacity;
  }

  /** Adds at the tail, or returns false if the queue is full. */
  offer(item: T): boolean {
    if (this.isFull) return false;
    this.#items.push(item);
    return true;
  }

  /** Adds at the tail as soon as there is room. Waiting producers are served in their order. */
  async put(item: T): Promise<void> {
    while (!this.offer(item)) {
      await new Promise<void>((resolve) => {
        this.#waitingForRoom.push(resolve);
      });
    }
  }

  /** Removes the head, or returns `undefined` if the queue is empty. */
  take(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined; // let go of it: the slot may live long
    this.#head++;
    if (this.#head === this.#items.length) this.#reset();
    else if (this.#head > 1024 && this.#head * 2 > this.#items.length) this.#compact();
    this.#waitingForRoom.shift()?.();
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
