import { type PageId } from "./page-id.ts";
import { type Frame } from "./page-miss.ts";

const NONE = -1;
/** A tenth of the frames is for pages on trial. */
const TRIAL_DIVISOR = 10;
/** Pages remembered that left on trial, for each frame: at least two. */
const REMEMBERED_PER_FRAME = 2;
/** The mean is over about as many samples. */
const MEAN_WEIGHT = 32;
/** Idle times are cut off here, so that one page does not rule the mean. */
const IDLE_MAX = 0xf_ffff;

/**
 * Chooses which page goes.
 *
 *     page ──► trial ──used──► main       trial: a tenth of the frames
 *                │               │        main:  all others
 *                ▼ not used      ▼ not used for a round of the hand
 *             remembered        gone
 *
 * A new page is on trial. If it is used again before its turn comes, it moves to main; if not, it
 * goes, and is remembered for a while. A page that comes back while it is remembered goes into main
 * at once, if it was away for less time than the pages in main lie idle in the mean: else it would
 * only take the place of one that is wanted sooner. While frames are free, pages go into main.
 *
 * So a scan passes through the tenth, whatever its length; in a loop that is longer than the cache,
 * the pages that came first stay, which is about the best that can be done; and pages that are used
 * often are there as with SIEVE.
 *
 * In both queues a hand goes from the oldest page towards the newest. In main it passes over pages
 * that were used since it came by last, and takes the first that was not; used pages keep their place.
 *
 * Time is counted in *periods*, which end when the cache had to look for a page elsewhere. Uses
 * within the period in which a page came do not count: they are the reason why it came.
 *
 * Cost: no allocation; 33 to 49 bytes a frame.
 * Source: the queues after Yang et al., "FIFO queues are all you need for cache eviction" (SOSP 2023);
 * the hand after Zhang et al., "SIEVE is Simpler than LRU" (NSDI 2024); comparing idle times after
 * Jiang & Zhang, "LIRS" (SIGMETRICS 2002); correlated uses after O'Neil et al., "LRU-K" (SIGMOD 1993).
 * Measured: docs/decisions/0014-replacement.md.
 */
export class Replacement {
  /** The period in which a frame was used last. Written by the cache on every use. */
  readonly used: Int32Array;
  /** The last use that a hand has seen. */
  readonly #seen: Int32Array;
  /** Towards the newest and towards the oldest; circular through each queue's sentinel. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  readonly #isInMain: Uint8Array;
  readonly #canGo: (frame: Frame) => boolean;
  readonly #trial: Queue;
  readonly #main: Queue;
  readonly #trialMax: number;
  readonly #frames: number;
  /** Pages that left on trial, by number, and the periods of their last use; 0 for none. */
  readonly #goneIds: Uint32Array;
  readonly #goneUses: Int32Array;
  readonly #goneMask: number;
  /** Sum of the last idle times seen in main, old ones fading. */
  #idleSum = 0;
  /** The frame whose idle time is looked at next. */
  #sampled = 0;

  /** @param canGo Whether this frame may be taken now. */
  constructor(frames: number, canGo: (frame: Frame) => boolean) {
    this.used = new Int32Array(frames);
    this.#seen = new Int32Array(frames);
    this.#newer = new Int32Array(frames + 2);
    this.#older = new Int32Array(frames + 2);
    this.#isInMain = new Uint8Array(frames);
    this.#trial = { sentinel: frames, hand: frames, count: 0 };
    this.#main = { sentinel: frames + 1, hand: frames + 1, count: 0 };
    for (const { sentinel } of [this.#trial, this.#main]) {
      this.#newer[sentinel] = sentinel;
      this.#older[sentinel] = sentinel;
    }
    this.#trialMax = Math.max(1, Math.floor(frames / TRIAL_DIVISOR));
    this.#frames = frames;
    this.#canGo = canGo;
    let remembered = 1;
    while (remembered < frames * REMEMBERED_PER_FRAME) remembered *= 2;
    this.#goneIds = new Uint32Array(remembered);
    this.#goneUses = new Int32Array(remembered);
    this.#goneMask = remembered - 1;
  }

  /** Puts a frame, with the page that came into it, at the newest end of its queue. */
  add(frame: Frame, id: PageId, period: number): void {
    this.used[frame] = period;
    this.#seen[frame] = period;
    this.#sampleIdleTime(period);
    const isFilling = this.#trial.count + this.#main.count < this.#frames - this.#trialMax;
    if (isFilling || this.#isWanted(id, period)) this.#link(frame, this.#main);
    else this.#link(frame, this.#trial);
  }

  /** The page leaves the cache for another: it is remembered if it was on trial. */
  noteEviction(frame: Frame, id: PageId): void {
    if (this.#isInMain[frame] === 1) return;
    const place = this.#placeOf(id);
    this.#goneIds[place] = id;
    this.#goneUses[place] = this.used[frame]!;
  }

  remove(frame: Frame): void {
    const queue = this.#isInMain[frame] === 1 ? this.#main : this.#trial;
    const older = this.#older[frame]!;
    const newer = this.#newer[frame]!;
    if (queue.hand === frame) queue.hand = newer;
    this.#newer[older] = newer;
    this.#older[newer] = older;
    queue.count--;
  }

  /**
   * The frame to empty next, which stays in its queue until removed, or -1 if none may go.
   *
   * @param spared Pages used in this period are left alone; 0 for none.
   */
  choose(spared: number): Frame {
    if (this.#trial.count < this.#trialMax) {
      const frame = this.#chooseInMain(spared);
      return frame === NONE ? this.#chooseOnTrial(spared) : frame;
    }
    const frame = this.#chooseOnTrial(spared);
    return frame === NONE ? this.#chooseInMain(spared) : frame;
  }

  #chooseOnTrial(spared: number): Frame {
    const queue = this.#trial;
    for (let steps = queue.count + 1; steps > 0; steps--) {
      const frame = queue.hand;
      queue.hand = this.#newer[frame]!;
      if (frame === queue.sentinel || !this.#canGo(frame)) continue;
      const used = this.used[frame]!;
      if (used === spared) continue;
      if (used === this.#seen[frame]) return frame;
      this.#seen[frame] = used;
      this.remove(frame);
      this.#link(frame, this.#main);
    }
    return NONE;
  }

  #chooseInMain(spared: number): Frame {
    const queue = this.#main;
    // Two rounds: the first may find all of them used, and the second then takes one.
    for (let steps = 2 * (queue.count + 1); steps > 0; steps--) {
      const frame = queue.hand;
      queue.hand = this.#newer[frame]!;
      if (frame === queue.sentinel || !this.#canGo(frame)) continue;
      const used = this.used[frame]!;
      if (used === spared) continue;
      if (used === this.#seen[frame]) return frame;
      this.#seen[frame] = used;
    }
    return NONE;
  }

  #link(frame: Frame, queue: Queue): void {
    const newest = this.#older[queue.sentinel]!;
    this.#newer[newest] = frame;
    this.#older[frame] = newest;
    this.#newer[frame] = queue.sentinel;
    this.#older[queue.sentinel] = frame;
    this.#isInMain[frame] = queue === this.#main ? 1 : 0;
    queue.count++;
  }

  /** Whether a page that comes is remembered, and was away for a shorter time than main is idle. */
  #isWanted(id: PageId, period: number): boolean {
    const place = this.#placeOf(id);
    const used = this.#goneUses[place]!;
    if (this.#goneIds[place] !== id || used === 0) return false;
    return (period - used) * MEAN_WEIGHT < this.#idleSum;
  }

  /** Looks at one frame after the other, one at each miss. */
  #sampleIdleTime(period: number): void {
    const frame = this.#sampled;
    this.#sampled = frame + 1 === this.#frames ? 0 : frame + 1;
    if (this.#isInMain[frame] === 0) return;
    // Periods begin again after 2^30: then a use may seem to lie ahead.
    const idle = Math.min(Math.max(0, period - this.used[frame]!), IDLE_MAX);
    this.#idleSum += idle - Math.floor(this.#idleSum / MEAN_WEIGHT);
  }

  /** Pages in a row have places in a row: a loop or a scan does not overwrite itself. */
  #placeOf(id: PageId): number {
    return id & this.#goneMask;
  }
}

interface Queue {
  readonly sentinel: number;
  hand: Frame;
  count: number;
}
