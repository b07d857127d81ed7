import { type Trace, type TraceFields, type TraceLevel } from "@kvs/env";
import { type Incarnation } from "./incarnation.ts";
import { type Scheduler } from "./scheduler.ts";
import { hashText } from "./trace-hash.ts";

/** One event of a host's trace, with where and when. */
export interface TraceLine {
  readonly atMicros: number;
  readonly host: string;
  /** Which life of the host's process spoke; 1 is the first. */
  readonly generation: number;
  readonly level: TraceLevel;
  readonly component: string;
  readonly message: string;
  readonly fields: TraceFields;
}

const LEVELS: readonly TraceLevel[] = ["error", "warn", "info", "debug", "trace"];
const NO_FIELDS: TraceFields = {};

/** Folds what a process says into the trace hash, and passes it on to whoever listens. */
export class SimTrace implements Trace {
  readonly #incarnation: Incarnation;
  readonly #scheduler: Scheduler;
  readonly #quietest: number;
  readonly #listener: ((line: TraceLine) => void) | undefined;

  constructor(options: {
    incarnation: Incarnation;
    scheduler: Scheduler;
    level: TraceLevel;
    listener: ((line: TraceLine) => void) | undefined;
  }) {
    this.#incarnation = options.incarnation;
    this.#scheduler = options.scheduler;
    this.#quietest = LEVELS.indexOf(options.level);
    this.#listener = options.listener;
  }

  isEnabled(level: TraceLevel): boolean {
    return LEVELS.indexOf(level) <= this.#quietest;
  }

  event(
    level: TraceLevel,
    component: string,
    message: string,
    fields: TraceFields = NO_FIELDS,
  ): void {
    if (!this.isEnabled(level) || !this.#incarnation.isAlive) return;
    const hash = this.#scheduler.hash;
    hash.add(this.#incarnation.lane);
    hash.add(hashText(component));
    hash.add(hashText(message));
    for (const name of Object.keys(fields)) {
      hash.add(hashText(name));
      hash.add(hashText(String(fields[name])));
    }
    this.#listener?.({
      atMicros: this.#scheduler.nowMicros,
      host: this.#incarnation.host.name,
      generation: this.#incarnation.generation,
      level,
      component,
      message,
      fields,
    });
  }
}
