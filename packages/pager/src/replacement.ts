import { type Frame } from "./page-miss.ts";

const NONE = -1;

/**
 * Chooses which page goes: SIEVE. Pages stand in a queue in the order in which they came. A hand
 * goes from the oldest towards the newest; it passes over pages that were used since it came by
 * last, and takes the first that was not. Used pages keep their place, so that a page read once, as
 * in a scan, goes while the hand is near, and does not push out what is used again and again.
 *
 * Time is counted in *periods*, which end when the cache had to look for a page elsewhere. Uses
 * within the period in which a page came do not count: they are the reason why it came.
 *
 * Source: Zhang et al., "SIEVE is Simpler than LRU" (NSDI 2024); correlated uses after O'Neil et
 * al., "The LRU-K Page Replacement Algorithm" (SIGMOD 1993), §2.1.
 */
export class Replacement {
  /** The period in which a frame was used last. Written by the cache on every use. */
  readonly used: Int32Array;
  /** The last use that the hand has seen. */
  readonly #seen: Int32Array;
  /** Towards the newest and towards the oldest; circular through the sentinel at `#sentinel`. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  readonly #sentinel: number;
  readonly #canGo: (frame: Frame) => boolean;
  #hand: Frame;
  #count = 0;

  /** @param canGo Whether this frame may be taken now. */
  constructor(frames: number, canGo: (frame: Frame) => boolean) {
    this.used = new Int32Array(frames);
    this.#seen = new Int32Array(frames);
    this.#newer = new Int32Array(frames + 1).fill(NONE);
    this.#older = new Int32Array(frames + 1).fill(NONE);
    this.#sentinel = frames;
    this.#newer[frames] = frames;
    this.#older[frames] = frames;
    this.#hand = frames;
    this.#canGo = canGo;
  }

  /** Puts a frame at the newest end. */
  add(frame: Frame, period: number): void {
    this.used[frame] = period;
    this.#seen[frame] = period;
    const newest = this.#older[this.#sentinel]!;
    this.#newer[newest] = frame;
    this.#older[frame] = newest;
    this.#newer[frame] = this.#sentinel;
    this.#older[this.#sentinel] = frame;
    this.#count++;
  }

  remove(frame: Frame): void {
    const older = this.#older[frame]!;
    const newer = this.#newer[frame]!;
    if (this.#hand === frame) this.#hand = newer;
    this.#newer[older] = newer;
    this.#older[newer] = older;
    this.#count--;
  }

  /**
   * The frame to empty next, which stays in the queue until removed, or -1 if none may go.
   *
   * @param spared Pages used in this period are left alone; 0 for none.
   */
  choose(spared: number): Frame {
    // Two rounds: the first may find all of them used, and the second then takes one.
    for (let steps = 2 * (this.#count + 1); steps > 0; steps--) {
      const frame = this.#hand;
      this.#hand = this.#newer[frame]!;
      if (frame === this.#sentinel || !this.#canGo(frame)) continue;
      const used = this.used[frame]!;
      if (used === spared) continue;
      if (used === this.#seen[frame]) return frame;
      this.#seen[frame] = used;
    }
    return NONE;
  }
}
