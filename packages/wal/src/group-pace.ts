import { type Clock } from "@kvs/env";

/** Weight of the newest measurement. */
const NEWEST_SHARE = 0.1;

/**
 * Decides when a group is written before the turn that fills it is over.
 *
 * Callers that all wait for one write wake up together, and their next records would all go with the
 * next write: while the disk works nobody computes, and the other way round. Where computing the
 * records of a round takes longer than the disk does for a write, two groups of half a round each keep
 * both busy: one is on the disk while the callers of the other go on. Where the disk takes longer, one
 * group a round is better: the disk's time is then what counts, and it hardly depends on the length.
 *
 * A round is what was acknowledged last and what had been appended behind it.
 */
export class GroupPace {
  readonly #clock: Clock;
  /** For simulations, in which computing takes no time. */
  readonly #alwaysPays: boolean;
  /** A write's time, as the event loop sees it. */
  #diskMs = 0;
  /** Time of a byte of records, from an acknowledgement to the end of its turn. */
  #msPerByte = 0;
  #beganMs = 0;
  #answeredMs = 0;
  /** Where the log ended at the latest acknowledgement; -1 once the turn after it was measured. */
  #answeredEnd = -1;
  #earlyLsn = Infinity;

  constructor(clock: Clock, alwaysPays: boolean) {
    this.#clock = clock;
    this.#alwaysPays = alwaysPays;
  }

  /** Once the log ends here, what is buffered is written at once. */
  get earlyLsn(): number {
    return this.#earlyLsn;
  }

  /** A write begins. */
  noteStart(): void {
    this.#beganMs = this.#clock.monotonicMs();
  }

  /**
   * It is done: `written` bytes, up to `lsn`, behind which `buffered` bytes wait.
   *
   * Cost: this and `noteTurn` read the clock once a group.
   */
  noteWritten(lsn: number, written: number, buffered: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#diskMs += (nowMs - this.#beganMs - this.#diskMs) * NEWEST_SHARE;
    this.#answeredMs = nowMs;
    this.#answeredEnd = lsn + buffered;
    const round = written + buffered;
    const pays = this.#alwaysPays || round * this.#msPerByte > this.#diskMs;
    this.#earlyLsn = pays ? lsn + round / 2 : Infinity;
  }

  /** The turn is over, and the log ends here. */
  noteTurn(lsn: number): void {
    if (this.#answeredEnd < 0) return;
    const bytes = lsn - this.#answeredEnd;
    this.#answeredEnd = -1;
    if (bytes <= 0) return;
    const sample = (this.#clock.monotonicMs() - this.#answeredMs) / bytes;
    this.#msPerByte += (sample - this.#msPerByte) * NEWEST_SHARE;
  }
}
