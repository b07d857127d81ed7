import { type EventOwner, type SimEvent } from "./event-queue.ts";
import { type Scheduler } from "./scheduler.ts";

/** What an incarnation needs to know of the host it runs on. */
export interface IncarnationHost {
  readonly name: string;
  readonly lane: number;
  readonly isPaused: boolean;
  hold(event: SimEvent): void;
  failed(error: unknown): void;
}

/**
 * One life of a process on a host: from its start to its death. Everything the process schedules
 * belongs to it, so nothing of a dead process ever runs, and no promise it waits for settles.
 */
export class Incarnation implements EventOwner {
  readonly host: IncarnationHost;
  /** 1 for the first process of a host. */
  readonly generation: number;
  readonly lane: number;
  readonly #scheduler: Scheduler;
  readonly #atDeath = new Set<() => void>();
  #isAlive = true;

  constructor(host: IncarnationHost, generation: number, scheduler: Scheduler) {
    this.host = host;
    this.generation = generation;
    this.lane = host.lane;
    this.#scheduler = scheduler;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get isPaused(): boolean {
    return this.host.isPaused;
  }

  hold(event: SimEvent): void {
    this.host.hold(event);
  }

  fail(error: unknown): void {
    if (this.#isAlive) this.host.failed(error);
  }

  /**
   * Has `action` run in the process, `delayMicros` from now; or never, if the process dies first or
   * is dead already.
   *
   * @param options `payload` goes into the trace hash; `flags` are `EVENT_…`.
   */
  after(
    delayMicros: number,
    kind: number,
    action: () => void,
    options?: { readonly payload?: number; readonly flags?: number },
  ): SimEvent | undefined {
    if (!this.#isAlive) return undefined;
    return this.#scheduler.schedule(
      delayMicros,
      { kind, owner: this, payload: options?.payload ?? 0, flags: options?.flags ?? 0 },
      action,
    );
  }

  /**
   * Calls `listener` when the process dies, in the order of these calls.
   *
   * @returns A function that takes the listener off again.
   */
  atDeath(listener: () => void): () => void {
    this.#atDeath.add(listener);
    return () => {
      this.#atDeath.delete(listener);
    };
  }

  /** Ends this life. A second call does nothing. */
  die(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    for (const listener of this.#atDeath) listener();
  }
}
