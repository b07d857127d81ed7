/**
 * Virtual time, and the one queue of everything that will happen.
 *
 * Invariants:
 * 1. Time never goes back. It moves only from one event to the next.
 * 2. One event runs; then every promise it settled runs its continuations, and theirs, until none
 *    is left; then the next event runs.
 * 3. Events of one lane (one host) that are due at the same microsecond run in the order in which
 *    they were scheduled; across lanes the order follows from the seed.
 * 4. What an event carries, when it ran and for whom is part of the trace hash.
 */
import { assert, KvsError } from "@kvs/env";
import {
  EVENT_DEFERRED,
  EVENT_INTERNAL,
  type EventOwner,
  EventQueue,
  type SimEvent,
} from "./event-queue.ts";
import { macrotask } from "./macrotask.ts";
import { hashText, TraceHash } from "./trace-hash.ts";

/** Until when to run; whichever comes first. Without any, until nothing is left to happen. */
export interface RunOptions {
  /** Virtual milliseconds since the simulation began, not since this call. */
  readonly untilMs?: number;
  /** Asked before each event. */
  readonly until?: () => boolean;
  /** Events this call may run before it fails with `SIM_TOO_MANY_EVENTS`. Default: 50 million. */
  readonly maxEvents?: number;
}

/** Why a run ended: the condition holds, the time has come, or nothing is left to happen. */
export type RunEnd = "until" | "time" | "idle";

/** A run of this many events is a loop without end, not a test. */
const RUN_EVENTS_MAX = 50_000_000;

/** What `schedule` needs to know besides the action. */
export interface EventOptions {
  /** A fixed name; see {@link Scheduler.kind}. */
  readonly kind: number;
  readonly owner?: EventOwner | undefined;
  readonly payload?: number;
  /** `EVENT_…` flags. */
  readonly flags?: number;
}

export class Scheduler {
  readonly hash: TraceHash = new TraceHash();
  readonly #queue = new EventQueue();
  readonly #salt: number;
  #nowMicros = 0;
  #sequence = 0;
  #eventCount = 0;
  #turnsAtInstant = 0;
  #current: SimEvent | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isRunning = false;

  /** @param salt Decides the order of simultaneous events of different hosts. */
  constructor(salt: number) {
    this.#salt = salt;
  }

  get nowMicros(): number {
    return this.#nowMicros;
  }

  /** Events run so far. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** How many events have run at this very microsecond, the current one included. */
  get turnsAtInstant(): number {
    return this.#turnsAtInstant;
  }

  /** The event whose turn it is. */
  get current(): SimEvent | undefined {
    return this.#current;
  }

  /** The number of a kind of event, for `EventOptions.kind`. */
  static kind(name: string): number {
    return hashText(name);
  }

  /** Has `action` run `delayMicros` (0 or more, fractions are rounded up) from now. */
  schedule(delayMicros: number, options: EventOptions, action: () => void): SimEvent {
    assert(delayMicros >= 0, "nothing is scheduled into the past");
    const owner = options.owner;
    const event: SimEvent = {
      atMicros: this.#nowMicros + Math.ceil(delayMicros),
      rank: 0,
      sequence: 0,
      owner,
      kind: options.kind,
      payload: options.payload ?? 0,
      flags: options.flags ?? 0,
      isQueued: false,
      isCanceled: false,
      action,
    };
    this.#enqueue(event);
    return event;
  }

  /** Has an event that was held back run at this instant, after those already waiting. */
  release(event: SimEvent): void {
    if (event.isCanceled) return;
    event.atMicros = this.#nowMicros;
    this.#enqueue(event);
  }

  cancel(event: SimEvent): void {
    this.#queue.cancel(event);
  }

  /** Ends the run under way, or the next one, with `error`. The first failure counts. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /**
   * Runs events until `options` say stop.
   *
   * @throws What a host's code or an event's action threw; `SIM_TOO_MANY_EVENTS`.
   */
  run(options: RunOptions = {}): Promise<RunEnd> {
    assert(!this.#isRunning, "a simulation runs once at a time");
    this.#isRunning = true;
    const eventsMax = this.#eventCount + (options.maxEvents ?? RUN_EVENTS_MAX);
    const untilMicros =
      options.untilMs === undefined ? Infinity : Math.round(options.untilMs * 1000);
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        try {
          const end = this.#runTurn(options.until, untilMicros, eventsMax);
          if (end === undefined) {
            macrotask(turn);
            return;
          }
          this.#isRunning = false;
          resolve(end);
        } catch (error) {
          this.#isRunning = false;
          reject(error);
        }
      };
      macrotask(turn);
    });
  }

  /** Runs events up to the first that may have settled a promise. */
  #runTurn(
    until: (() => boolean) | undefined,
    untilMicros: number,
    eventsMax: number,
  ): RunEnd | undefined {
    for (;;) {
      this.#current = undefined;
      this.#throwFailure();
      if (until?.() === true) return "until";
      const event = this.#queue.peek();
      if (event === undefined || event.atMicros > untilMicros) {
        if (untilMicros !== Infinity) this.#moveTo(Math.max(untilMicros, this.#nowMicros));
        return event === undefined && untilMicros === Infinity ? "idle" : "time";
      }
      this.#queue.take();
      if (!this.#perform(event)) continue;
      if (this.#eventCount > eventsMax) throw tooManyEvents(this.#nowMicros, this.#eventCount);
      if ((event.flags & EVENT_INTERNAL) === 0) return undefined;
    }
  }

  /** @returns false if the event did not run: its owner is dead or paused. */
  #perform(event: SimEvent): boolean {
    const owner = event.owner;
    if (owner !== undefined && !owner.isAlive) return false;
    if (owner !== undefined && owner.isPaused) {
      owner.hold(event);
      return false;
    }
    this.#moveTo(event.atMicros);
    this.#turnsAtInstant++;
    this.#eventCount++;
    this.hash.addInteger(event.atMicros);
    this.hash.add(owner === undefined ? 0 : owner.lane);
    this.hash.add(event.kind);
    this.hash.add(event.payload);
    this.#current = event;
    try {
      event.action();
    } catch (error) {
      if (owner === undefined) this.fail(error);
      else owner.fail(error);
    }
    return true;
  }

  #moveTo(atMicros: number): void {
    assert(atMicros >= this.#nowMicros, "virtual time never goes back");
    if (atMicros === this.#nowMicros) return;
    this.#nowMicros = atMicros;
    this.#turnsAtInstant = 0;
  }

  #enqueue(event: SimEvent): void {
    const lane = event.owner === undefined ? 0 : event.owner.lane;
    event.rank = tieBreak(this.#salt, lane, event.atMicros);
    if ((event.flags & EVENT_DEFERRED) !== 0) event.rank += 0x1_0000_0000; // after all input
    event.sequence = ++this.#sequence;
    this.#queue.add(event);
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }
}

/** The same for all events of one lane at one instant, so that they keep their order. */
function tieBreak(salt: number, lane: number, atMicros: number): number {
  let mixed = Math.imul(salt ^ lane ^ (atMicros | 0), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ lane, 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function tooManyEvents(nowMicros: number, events: number): KvsError<"SIM_TOO_MANY_EVENTS"> {
  return new KvsError(
    "SIM_TOO_MANY_EVENTS",
    "the run did not end within its events: look for a loop that never waits, or raise maxEvents",
    { outcome: "unknown", details: { virtualMs: nowMicros / 1000, events } },
  );
}
