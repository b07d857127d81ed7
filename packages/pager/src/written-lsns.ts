import { type Environment } from "@kvs/env";
import { type PageId } from "./page-id.ts";

/** Places for each frame: what was written and evicted a while ago is remembered as well. */
const PLACES_PER_FRAME = 4;
const PLACES_MIN = 2 ** 10;
/** 12 MiB. */
const PLACES_MAX = 2 ** 20;

/**
 * The LSN that each page was written with last, in this life: a page that comes back from the disk with
 * another one shows that the disk lost a write which it had answered, or put it elsewhere.
 *
 * A table of four places a frame, 12 bytes each. A page has one place, by its number; a page written
 * later takes the place of another with the same. So this notices
 *
 * - every lost write of a page that no such page was written after, and all of them in a file of up
 *   to four times the cache;
 * - nothing across a restart. Then the log is the witness: what it holds since the last checkpoint
 *   is written again, whatever the disk has. A write that was lost before that checkpoint, and
 *   answered by the sync in it, leaves an older page that is right in itself; only its trees may
 *   show that it does not fit (`checkTree`), or another copy of the data. Reading back at the
 *   checkpoint would not help: the system answers from its memory what the disk has not.
 */
export class WrittenLsns {
  readonly #mask: number;
  readonly #pages: Uint32Array;
  /** 0: nothing is known. */
  readonly #lsns: Float64Array;
  /** Sabotage: remembers nothing. */
  readonly #forgets: boolean;

  constructor(environment: Environment, frameCount: number) {
    let places = PLACES_MIN;
    while (places < PLACES_MAX && places < frameCount * PLACES_PER_FRAME) places *= 2;
    this.#mask = places - 1;
    this.#pages = new Uint32Array(places);
    this.#lsns = new Float64Array(places);
    this.#forgets = environment.hooks.hasMutant("pager.forget-written-lsn");
  }

  /** A write of the page was answered. */
  note(id: PageId, lsn: number): void {
    if (this.#forgets) return;
    const place = id & this.#mask;
    this.#pages[place] = id;
    this.#lsns[place] = lsn;
  }

  /** What the page must have on the disk, or 0 if that is not known. */
  expected(id: PageId): number {
    const place = id & this.#mask;
    return this.#pages[place] === id ? this.#lsns[place]! : 0;
  }

  /** These pages, and all behind them, are not in the file any more. */
  forgetFrom(first: number): void {
    for (let place = 0; place <= this.#mask; place++) {
      if (this.#pages[place]! >= first) this.#lsns[place] = 0;
    }
  }
}
