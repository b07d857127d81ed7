import { type Random } from "@kvs/env";

import { type FileState, SECTOR_BYTES } from "./file-state.ts";
import { type StorageState } from "./storage-state.ts";

/** A write under way: how much of the buffer has been captured so far. */
export class Writing {
  readonly position: number;
  readonly length: number;
  readonly #state: StorageState;
  readonly #file: FileState;
  readonly #source: Uint8Array;
  #done = 0;

  constructor(state: StorageState, file: FileState, source: Uint8Array, position: number) {
    this.#state = state;
    this.#file = file;
    this.#source = source;
    this.position = position;
    this.length = source.length;
  }

  /** Captures and writes on up to `goal` bytes; answers how many are written, fewer when full. */
  writeUpTo(goal: number): number {
    if (goal > this.#done) {
      const whole = this.#done === 0 && goal === this.length;
      const part = whole ? this.#source : this.#source.subarray(this.#done, goal);
      this.#done += this.#state.write(this.#file, part, this.position + this.#done);
    }
    return this.#done;
  }

  /** A write that fails leaves any mixture of old and new sectors. */
  writeSomeSectors(random: Random): void {
    const { position } = this;
    const end = position + this.length;
    for (let from = position; from < end;) {
      const to = Math.min(end, (Math.floor(from / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (random.chance(0.5)) {
        this.#state.write(this.#file, this.#source.subarray(from - position, to - position), from);
      }
      from = to;
    }
  }

  /** The write as it may take effect unanswered: whole, or up to a drawn byte. */
  effect(state: StorageState, random?: Random): void {
    const count = random === undefined ? this.length : random.below(this.length + 1);
    if (count === 0) return;
    onFile(state, this.#file.id, (file) => {
      state.write(file, this.#source.subarray(0, count), this.position);
    });
  }
}

/** Does something to the file of this number, if a copy of the disk still has it. */
export function onFile(state: StorageState, id: number, action: (file: FileState) => void): void {
  const file = state.files.get(id);
  if (file !== undefined) action(file);
}
