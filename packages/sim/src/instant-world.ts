import {
  AssertionFailure,
  type Clock,
  type Environment,
  KvsError,
  type Random,
  type TestHooks,
  type Timer,
  type Trace,
  assert,
  createRandom,
  noTrace,
} from "@kvs/env";
import { type DiskContext } from "./disk/disk-faults.ts";
import { type SimStorage } from "./disk/sim-storage.ts";
import { SIM_EPOCH_MS } from "./host-clock.ts";
import { macrotask } from "./macrotask.ts";
import { type SimErrorCode } from "./sim-error.ts";
import { toyCiphers } from "./toy-ciphers.ts";
import { toyCompressors } from "./toy-compressors.ts";

/** How an instant world differs from an honest one. */
export interface InstantWorldOptions {
  /** Default: `createRandom(0)`. */
  readonly random?: Random;
  /** Built-in sabotages to switch on. */
  readonly mutants?: readonly string[];
  /** Other answers than "no" to the hooks' questions. */
  readonly hooks?: Partial<TestHooks>;
  readonly trace?: Trace;
  /** See `DiskContext`. */
  readonly disk?: Omit<Partial<DiskContext>, "after" | "random">;
  /**
   * When disk calls are answered: `at-once`, in a microtask, for speed; `in-turn`, one by one in
   * turns of their own, so that what runs meanwhile gets in between. Default: `at-once`.
   */
  readonly answers?: "at-once" | "in-turn";
  /** Virtual time that one `run` may take. Default: ten minutes. */
  readonly limitMs?: number;
  /** Turns that one `run` may take. Default: ten million. */
  readonly turnsMax?: number;
}

const LIMIT_MS_DEFAULT = 600_000;
const TURNS_MAX_DEFAULT = 10_000_000;
/** Turns are told apart on the monotonic clock by this much. */
const TURN_TICK_MS = 1e-3;

/**
 * One process on one disk, as fast as the machine can: no network, no latency, and time passes only
 * when there is nothing else to do. For tests that open and crash something thousands of times.
 *
 * All chance is in `random`: the same options, disk and body give the same run. A body that waits
 * for what never comes is found at once.
 *
 * Cost: 1 µs a turn and timer; disk calls `at-once` take a microtask.
 */
export class InstantWorld {
  readonly environment: Environment;
  readonly #clock = new InstantClock();
  readonly #limitMs: number;
  readonly #turnsMax: number;

  /** Attaches a process to `storage`. It lives until the storage is told of its death. */
  constructor(storage: SimStorage, options: InstantWorldOptions = {}) {
    const { random = createRandom(0), mutants = [], trace = noTrace } = options;
    const clock = this.#clock;
    const now = Promise.resolve();
    const isInTurn = options.answers === "in-turn";
    this.#limitMs = options.limitMs ?? LIMIT_MS_DEFAULT;
    this.#turnsMax = options.turnsMax ?? TURNS_MAX_DEFAULT;
    this.environment = {
      clock,
      random: random.split("environment"),
      disk: storage.attach({
        ...options.disk,
        random: random.split("disk"),
        after: (delayMicros, action) => {
          if (delayMicros > 0) clock.schedule(delayMicros / 1000, action);
          else if (isInTurn) clock.defer(action);
          else void now.then(action);
        },
      }),
      get network(): never {
        throw new AssertionFailure("an instant world has no network");
      },
      ciphers: toyCiphers,
      compressors: toyCompressors,
      trace,
      hooks: {
        buggify: () => false,
        probe: () => undefined,
        hasMutant: (name) => mutants.includes(name),
        ...options.hooks,
      },
    };
  }

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /**
   * Runs a body to its end, with everything that it leaves to be done in later turns. One at a time.
   *
   * @returns What it returns.
   * @throws What it throws; `SIM_STUCK` if it waits for something that will not happen, or goes on
   *   for ever.
   */
  async run<T>(body: (environment: Environment) => Promise<T>): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + this.#limitMs;
    const state = { isDone: false };
    const done = body(this.environment).finally(() => {
      state.isDone = true;
    });
    done.catch(() => undefined); // it is handed out below
    for (let turns = 0; turns < this.#turnsMax; turns++) {
      await quiet();
      if (state.isDone) return done;
      if (!this.#clock.runNext(untilMs)) break;
    }
    throw stuck(this.nowMs);
  }
}

interface InstantTimer {
  readonly dueMs: number;
  readonly action: () => void;
}

/** Time that stands still while there is anything to do, then leaps to the next timer. */
class InstantClock implements Clock {
  readonly #ready: (() => void)[] = [];
  /** In the order in which they are due. */
  readonly #timers: InstantTimer[] = [];
  #nextReady = 0;
  #nowMs = 0;

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return SIM_EPOCH_MS + Math.floor(this.#nowMs);
  }

  schedule(delayMs: number, action: () => void): Timer {
    assert(delayMs >= 0, "a timer's delay is not negative");
    const timer = { dueMs: this.#nowMs + delayMs, action };
    let at = this.#timers.length;
    while (at > 0 && this.#timers[at - 1]!.dueMs > timer.dueMs) at--;
    this.#timers.splice(at, 0, timer);
    return {
      cancel: () => {
        const found = this.#timers.indexOf(timer);
        if (found !== -1) this.#timers.splice(found, 1);
      },
    };
  }

  defer(action: () => void): void {
    this.#ready.push(action);
  }

  /** Runs what comes next, unless that is nothing, or later than `untilMs`. */
  runNext(untilMs: number): boolean {
    const action = this.#ready[this.#nextReady];
    if (action !== undefined) {
      this.#nextReady++;
      if (this.#nextReady === this.#ready.length) {
        this.#ready.length = 0;
        this.#nextReady = 0;
      }
      this.#nowMs += TURN_TICK_MS;
      action();
      return true;
    }
    const timer = this.#timers[0];
    if (timer === undefined || timer.dueMs > untilMs) return false;
    this.#timers.shift();
    this.#nowMs = Math.max(timer.dueMs, this.#nowMs) + TURN_TICK_MS;
    timer.action();
    return true;
  }
}

/** Waits until no promise has anything left to do. */
function quiet(): Promise<void> {
  return new Promise((resolve) => {
    macrotask(resolve);
  });
}

function stuck(nowMs: number): KvsError<SimErrorCode> {
  return new KvsError(
    "SIM_STUCK",
    "the run waits for something that will not happen, or never ends",
    {
      outcome: "unknown",
      details: { virtualMs: nowMs },
    },
  );
}
