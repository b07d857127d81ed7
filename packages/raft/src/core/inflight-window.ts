import { assert } from "@kvs/env";

import { type LogIndex } from "./ids.ts";

/**
 * The messages with entries that a peer has not acknowledged: bounds how far the leader runs ahead
 * of it, in messages and in bytes. A ring of fixed size.
 */
export class InflightWindow {
  readonly #lastIndices: Float64Array;
  readonly #bytes: Float64Array;
  readonly #maxBytes: number;
  #start = 0;
  #count = 0;
  #totalBytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#lastIndices = new Float64Array(maxMessages);
    this.#bytes = new Float64Array(maxMessages);
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.#lastIndices.length || this.#totalBytes >= this.#maxBytes;
  }

  /** Notes a message that ends with `lastIndex`. */
  add(lastIndex: LogIndex, bytes: number): void {
    assert(this.#count < this.#lastIndices.length, "a full window sends nothing");
    const slot = (this.#start + this.#count) % this.#lastIndices.length;
    this.#lastIndices[slot] = lastIndex;
    this.#bytes[slot] = bytes;
    this.#count++;
    this.#totalBytes += bytes;
  }

  /** Forgets the messages whose entries are all at or below `matchIndex`. */
  acknowledge(matchIndex: LogIndex): void {
    while (this.#count > 0 && this.#lastIndices[this.#start]! <= matchIndex) {
      this.#totalBytes -= this.#bytes[this.#start]!;
      this.#start = (this.#start + 1) % this.#lastIndices.length;
      this.#count--;
    }
  }

  clear(): void {
    this.#start = 0;
    this.#count = 0;
    this.#totalBytes = 0;
  }
}
