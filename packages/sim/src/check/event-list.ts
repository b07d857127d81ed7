import { assert } from "@kvs/env";
import { type TimedOperation } from "./model.ts";

/**
 * The operations of one object that a search has not placed yet, as two lists in order of time.
 *
 * The required operations were answered: a call event `2 * id` and a return event `2 * id + 1`
 * each. The optional ones have an unknown outcome: a call only. Ids count up in order of
 * invocation, the required operations first. Events that are taken out go back in the opposite
 * order (Knuth's dancing links), so both directions cost O(1).
 */
export class EventList {
  readonly requiredCount: number;
  readonly optionalCount: number;
  /** The end of the list of required events. */
  readonly requiredEnd: number;
  /** The end of the list of optional calls. */
  readonly optionalEnd: number;
  /** Where each required event stands among all events. */
  readonly #rank: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #optionalRank: Int32Array;
  readonly #optionalNext: Int32Array;
  readonly #optionalPrevious: Int32Array;

  /**
   * @param required In order of `invokedAt`, all with a finite `completedAt`.
   * @param optional In order of `invokedAt`, all with an infinite `completedAt`.
   */
  constructor(
    required: readonly TimedOperation<unknown>[],
    optional: readonly TimedOperation<unknown>[],
  ) {
    this.requiredCount = required.length;
    this.optionalCount = optional.length;
    this.requiredEnd = 2 * required.length;
    this.optionalEnd = optional.length;
    this.#rank = new Int32Array(this.requiredEnd);
    this.#next = new Int32Array(this.requiredEnd + 1);
    this.#previous = new Int32Array(this.requiredEnd + 1);
    this.#optionalRank = new Int32Array(optional.length);
    this.#optionalNext = circle(optional.length);
    this.#optionalPrevious = new Int32Array(optional.length + 1);
    for (let at = 0; at <= optional.length; at++) {
      this.#optionalPrevious[this.#optionalNext[at]!] = at;
    }
    this.#linkByTime(required, optional);
  }

  /** The first required event left; `requiredEnd` if there is none. It is always a call. */
  get firstRequired(): number {
    return this.#next[this.requiredEnd]!;
  }

  get firstOptional(): number {
    return this.#optionalNext[this.optionalEnd]!;
  }

  nextRequired(event: number): number {
    return this.#next[event]!;
  }

  nextOptional(call: number): number {
    return this.#optionalNext[call]!;
  }

  /** Where a required event stands among all events. */
  rank(event: number): number {
    return this.#rank[event]!;
  }

  optionalRank(call: number): number {
    return this.#optionalRank[call]!;
  }

  /** The first return left: nothing that was invoked after it can be placed yet. */
  firstReturn(): number {
    let event = this.firstRequired;
    assert(event !== this.requiredEnd, "an operation is left");
    while ((event & 1) === 0) event = this.#next[event]!;
    return event;
  }

  takeRequired(id: number): void {
    this.#unlink(2 * id);
    this.#unlink(2 * id + 1);
  }

  putBackRequired(id: number): void {
    this.#relink(2 * id + 1);
    this.#relink(2 * id);
  }

  takeOptional(call: number): void {
    this.#optionalNext[this.#optionalPrevious[call]!] = this.#optionalNext[call]!;
    this.#optionalPrevious[this.#optionalNext[call]!] = this.#optionalPrevious[call]!;
  }

  putBackOptional(call: number): void {
    this.#optionalNext[this.#optionalPrevious[call]!] = call;
    this.#optionalPrevious[this.#optionalNext[call]!] = call;
  }

  #unlink(event: number): void {
    this.#next[this.#previous[event]!] = this.#next[event]!;
    this.#previous[this.#next[event]!] = this.#previous[event]!;
  }

  #relink(event: number): void {
    this.#next[this.#previous[event]!] = event;
    this.#previous[this.#next[event]!] = event;
  }

  /** Merges the calls (already in order) with the returns; of equal times, calls come first. */
  #linkByTime(
    required: readonly TimedOperation<unknown>[],
    optional: readonly TimedOperation<unknown>[],
  ): void {
    const returns = required.map((_, id) => id);
    returns.sort((a, b) => required[a]!.completedAt - required[b]!.completedAt);
    let last = this.requiredEnd;
    let rank = 0;
    const append = (event: number): void => {
      this.#rank[event] = rank++;
      this.#next[last] = event;
      this.#previous[event] = last;
      last = event;
    };
    let call = 0;
    let optionalCall = 0;
    for (const id of returns) {
      const until = required[id]!.completedAt;
      while (call < required.length && required[call]!.invokedAt <= until) append(2 * call++);
      while (optionalCall < optional.length && optional[optionalCall]!.invokedAt <= until) {
        this.#optionalRank[optionalCall++] = rank++;
      }
      append(2 * id + 1);
    }
    while (optionalCall < optional.length) this.#optionalRank[optionalCall++] = rank++;
    this.#next[last] = this.requiredEnd;
    this.#previous[this.requiredEnd] = last;
    assert(call === required.length, "an operation is invoked before it is completed");
  }
}

/** The list 0, 1, … count - 1 between both ends of `count`. */
function circle(count: number): Int32Array {
  const next = new Int32Array(count + 1);
  for (let at = 0; at < count; at++) next[at] = at + 1;
  return next;
}
