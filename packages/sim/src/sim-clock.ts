import { assert, type Clock, type Random, type Timer } from "@kvs/env";
import { EVENT_DEFERRED, EVENT_TIMER, type SimEvent } from "./event-queue.ts";
import { type HostClock } from "./host-clock.ts";
import { type Incarnation } from "./incarnation.ts";
import { Scheduler } from "./scheduler.ts";

/** The longest delay a timer takes: what fits 32 bits, as in Node. */
const TIMER_DELAY_MS_MAX: number = 2 ** 31 - 1;
/** A turn that asks for another turn at its end gives time this long to pass. */
const TURN_MICROS = 5;
/** Turns of one microsecond are told apart on the monotonic clock by this much. */
const TURN_TICK_MS = 1e-6;
/** More turns than this within one microsecond read the same time. */
const TURN_TICKS_MAX = 900;

const KIND_TIMER = Scheduler.kind("clock.timer");
const KIND_DEFER = Scheduler.kind("clock.defer");

/** How late timers may be; both 0 unless a fault says otherwise. */
export interface TimerLateness {
  /** Chance that a timer is late. */
  readonly probability: number;
  /** Late by up to this much, uniformly. */
  readonly maxMs: number;
}

/** What the clock of a process needs. */
export interface SimClockOptions {
  readonly scheduler: Scheduler;
  readonly hostClock: HostClock;
  readonly incarnation: Incarnation;
  readonly random: Random;
  /** Read at each `schedule`. */
  readonly lateness: () => TimerLateness;
  readonly countFault: (kind: string) => void;
}

interface SimTimer {
  readonly dueMs: number;
  readonly sequence: number;
  readonly action: () => void;
  isDone: boolean;
  wake: SimEvent | undefined;
}

/**
 * The clock as one process sees it.
 *
 * Each timer owns one wake-up event; a wake-up runs the earliest timer that is due, whoever owns
 * it. So single timers can be late without overtaking each other.
 */
export class SimClock implements Clock {
  readonly #options: SimClockOptions;
  readonly #timers: SimTimer[] = []; // ordered by (dueMs, sequence), earliest last
  #sequence = 0;
  #lastMs = 0;

  constructor(options: SimClockOptions) {
    this.#options = options;
  }

  monotonicMs(): number {
    const { hostClock, scheduler } = this.#options;
    const tick = Math.min(scheduler.turnsAtInstant, TURN_TICKS_MAX) * TURN_TICK_MS;
    const now = hostClock.localMicros(scheduler.nowMicros) / 1000 + tick;
    this.#lastMs = Math.max(this.#lastMs, now); // rounding must not undo a step
    return this.#lastMs;
  }

  wallMs(): number {
    return this.#options.hostClock.wallMs(this.#options.scheduler.nowMicros);
  }

  schedule(delayMs: number, action: () => void): Timer {
    assert(delayMs >= 0 && delayMs <= TIMER_DELAY_MS_MAX, "a timer's delay is in [0, 2^31)");
    const timer: SimTimer = {
      dueMs: this.monotonicMs() + delayMs,
      sequence: ++this.#sequence,
      action,
      isDone: false,
      wake: undefined,
    };
    if (this.#options.incarnation.isAlive) {
      this.#insert(timer);
      this.#arm(timer, this.#drawLatenessMicros());
    }
    return { cancel: () => this.#cancel(timer) };
  }

  defer(action: () => void): void {
    const { incarnation, scheduler } = this.#options;
    const current = scheduler.current;
    const isEndOfTurn =
      current !== undefined &&
      current.owner === incarnation &&
      (current.flags & EVENT_DEFERRED) !== 0;
    // Else a loop that waits for time to pass, turn by turn, would wait forever.
    const delayMicros = isEndOfTurn ? TURN_MICROS : 0;
    incarnation.after(delayMicros, KIND_DEFER, action, { flags: EVENT_DEFERRED });
  }

  #drawLatenessMicros(): number {
    const { lateness, random, countFault } = this.#options;
    const { probability, maxMs } = lateness();
    if (probability === 0 || !random.chance(probability)) return 0;
    countFault("clock.late-timer");
    return Math.floor(random.nextFloat() * maxMs * 1000);
  }

  #arm(timer: SimTimer, lateMicros: number): void {
    const { hostClock, scheduler, incarnation } = this.#options;
    const due = hostClock.trueMicros(timer.dueMs * 1000) + lateMicros;
    const delay = Math.max(1, due - scheduler.nowMicros);
    timer.wake = incarnation.after(delay, KIND_TIMER, () => this.#wake(timer), {
      flags: EVENT_TIMER,
    });
  }

  /** Runs the earliest timer that is due. The owner of this wake-up takes over the other's. */
  #wake(owner: SimTimer): void {
    const earliest = this.#timers.at(-1);
    assert(earliest !== undefined, "each wake-up belongs to a timer that has not run");
    if (earliest.dueMs > this.monotonicMs()) {
      this.#arm(owner, 0); // the oscillator slowed down since
      return;
    }
    this.#timers.pop();
    earliest.isDone = true;
    if (earliest !== owner) {
      owner.wake = earliest.wake;
      this.#rebind(owner);
    }
    earliest.action();
  }

  /** The taken-over wake-up would run for its first owner: replace it by one of `owner`. */
  #rebind(owner: SimTimer): void {
    const { scheduler, incarnation } = this.#options;
    const inherited = owner.wake;
    assert(inherited !== undefined, "a timer that has not run has a wake-up");
    scheduler.cancel(inherited);
    const delay = Math.max(0, inherited.atMicros - scheduler.nowMicros);
    owner.wake = incarnation.after(delay, KIND_TIMER, () => this.#wake(owner), {
      flags: EVENT_TIMER,
    });
  }

  #cancel(timer: SimTimer): void {
    if (timer.isDone) return;
    timer.isDone = true;
    const at = this.#timers.indexOf(timer, this.#find(timer));
    if (at === -1) return; // its process was dead already
    this.#timers.splice(at, 1);
    if (timer.wake !== undefined) this.#options.scheduler.cancel(timer.wake);
  }

  #insert(timer: SimTimer): void {
    this.#timers.splice(this.#find(timer), 0, timer);
  }

  /** Where `timer` is, or belongs: after all that are due later. */
  #find(timer: SimTimer): number {
    const timers = this.#timers;
    let low = 0;
    let high = timers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = timers[middle]!;
      const isLater =
        other.dueMs > timer.dueMs ||
        (other.dueMs === timer.dueMs && other.sequence > timer.sequence);
      if (isLater) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
