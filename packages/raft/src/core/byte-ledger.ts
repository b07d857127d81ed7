import { type LogIndex } from "./ids.ts";

/** Dropped heads that are tolerated before the array is copied. */
const HOLES_MAX = 1024;

/** How many bytes were appended and are not committed yet: what bounds a leader's proposals. */
export class ByteLedger {
  #lastIndices: LogIndex[] = [];
  #bytes: number[] = [];
  #head = 0;
  #totalBytes = 0;

  get totalBytes(): number {
    return this.#totalBytes;
  }

  add(lastIndex: LogIndex, bytes: number): void {
    this.#lastIndices.push(lastIndex);
    this.#bytes.push(bytes);
    this.#totalBytes += bytes;
  }

  /** Forgets what ends at or before `index`. */
  release(index: LogIndex): void {
    while (this.#head < this.#bytes.length && this.#lastIndices[this.#head]! <= index) {
      this.#totalBytes -= this.#bytes[this.#head]!;
      this.#head++;
    }
    if (this.#head < HOLES_MAX || this.#head * 2 < this.#bytes.length) return;
    this.#lastIndices = this.#lastIndices.slice(this.#head);
    this.#bytes = this.#bytes.slice(this.#head);
    this.#head = 0;
  }
}
