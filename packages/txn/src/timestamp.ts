import { type Clock, assert } from "@kvs/env";

/**
 * The moment at which a batch commits, and the version of the rows it writes. A hybrid logical time:
 * 41 bits of milliseconds since 2025-01-01 UTC, then 12 bits that count within a millisecond. It is
 * an integer in [1, 2^53 - 2]; 0 is "before everything".
 *
 * Source: Kulkarni et al., "Logical Physical Clocks" (2014).
 */
export type Timestamp = number;

/** 2025-01-01T00:00:00Z in milliseconds since 1970. */
const EPOCH_MS = 1_735_689_600_000;
/** Timestamps within one millisecond. */
const TICKS_PER_MS = 4096;
/** The last timestamp there is: one less than the newest version, which no row may have. */
const TIMESTAMP_MAX: Timestamp = Number.MAX_SAFE_INTEGER - 1;
/**
 * How far the wall clock may leap against the monotonic one before it is no longer believed until
 * the next start: more than any correction, less than a clock set to another year by mistake, which
 * would use up the timestamps until then.
 */
const WALL_LEAP_MS_MAX: number = 2 * 3600 * 1000;

/** The wall time of a timestamp, in milliseconds since 1970. */
export function timestampToMs(timestamp: Timestamp): number {
  return Math.floor(timestamp / TICKS_PER_MS) + EPOCH_MS;
}

/** The first timestamp of a wall time; 0 for one before 2025. */
export function timestampFromMs(ms: number): Timestamp {
  return Math.min(Math.max(0, Math.floor(ms) - EPOCH_MS) * TICKS_PER_MS, TIMESTAMP_MAX);
}

/** Gives out commit timestamps, each greater than all before. */
export interface TimestampSource {
  /** The newest timestamp given out. */
  readonly last: Timestamp;
  next(): Timestamp;
  /** Notes a timestamp given out elsewhere: the next one will be greater. */
  witness(timestamp: Timestamp): void;
}

/**
 * Counts, and knows no time: for what a replicated store does by itself, before its first batch, so
 * that no clock of this node is ahead of a batch of another.
 */
export class CountingClock implements TimestampSource {
  #last: Timestamp;

  constructor(last: Timestamp) {
    this.#last = last;
  }

  get last(): Timestamp {
    return this.#last;
  }

  next(): Timestamp {
    this.#last++;
    return this.#last;
  }

  witness(timestamp: Timestamp): void {
    this.#last = Math.max(this.#last, timestamp);
  }
}

/**
 * Gives out commit timestamps: each greater than all before, near the wall clock while that behaves.
 * A clock that goes back is ignored until it has caught up; one that leaps further than
 * `WALL_LEAP_MS_MAX` is ignored until the next start.
 */
export class HybridClock implements TimestampSource {
  readonly #clock: Clock;
  #last: Timestamp;
  /** Wall and monotonic time of the last reading that was believed. */
  #wallMs: number;
  #monotonicMs: number;

  /** @param last The newest timestamp ever given out before, 0 if none. */
  constructor(clock: Clock, last: Timestamp) {
    this.#clock = clock;
    this.#last = last;
    this.#wallMs = clock.wallMs();
    this.#monotonicMs = clock.monotonicMs();
  }

  /** The newest timestamp given out. */
  get last(): Timestamp {
    return this.#last;
  }

  /** A timestamp greater than every one before. */
  next(): Timestamp {
    this.#last = Math.max(this.#last + 1, timestampFromMs(this.#believedMs()));
    assert(this.#last <= TIMESTAMP_MAX, "timestamps last until the year 2094");
    return this.#last;
  }

  /** Notes a timestamp given out elsewhere: the next one will be greater. */
  witness(timestamp: Timestamp): void {
    this.#last = Math.max(this.#last, timestamp);
  }

  #believedMs(): number {
    const wallMs = this.#clock.wallMs();
    const monotonicMs = this.#clock.monotonicMs();
    const expectedMs = this.#wallMs + (monotonicMs - this.#monotonicMs);
    if (Math.abs(wallMs - expectedMs) > WALL_LEAP_MS_MAX) return expectedMs;
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    return wallMs;
  }
}
