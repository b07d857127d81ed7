import { assert } from "@kvs/env";
import {
  formatHistory,
  type HistoryAnswer,
  type HistoryCall,
  type HistoryEvent,
  type HistoryEventType,
  type HistoryFunction,
} from "./history.ts";

/** Events one recorder holds: about 2 GB. Longer runs are cut into histories. */
const HISTORY_EVENTS_MAX = 10_000_000;

/** One open operation. Exactly one of its methods is called, once, when the client knows. */
export interface OpenCall<F extends HistoryFunction> {
  /**
   * It happened.
   *
   * @param timeNs When the client learnt so.
   * @param value The answer; default: what was asked, which is right for writes.
   */
  ok(timeNs: number, value?: HistoryAnswer<F>): void;
  /** It certainly did not happen, and never will. */
  fail(timeNs: number): void;
  /** Nobody knows whether it happened, or still will. The process is never used again. */
  info(timeNs: number): void;
}

/**
 * Takes down what clients ask and are answered, as a history that keeps the rules of history.ts
 * (1 to 3; unique values and the first read are the workload's duty).
 *
 * @example
 * ```ts
 * const recorder = new HistoryRecorder();
 * const read = recorder.invoke(recorder.newProcess(), 10, { f: "read", value: ["x", null] });
 * read.ok(25, ["x", null]);
 * ```
 */
export class HistoryRecorder {
  readonly #events: HistoryEvent[] = [];
  readonly #busy = new Set<number>();
  readonly #retired = new Set<number>();
  #lastTimeNs = 0;
  #nextProcess = 0;

  /** In the order in which they were recorded. */
  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  /** A process id that no operation used so far. Ask again after each `info`. */
  newProcess(): number {
    return this.#nextProcess++;
  }

  /**
   * Notes that a process asks for something. Call it before the request can have any effect.
   *
   * @param process From `newProcess`; neither busy nor retired.
   * @param timeNs Nanoseconds on one monotonic clock, an integer, never less than the last.
   */
  invoke<F extends HistoryFunction>(
    process: number,
    timeNs: number,
    call: Extract<HistoryCall, { f: F }>,
  ): OpenCall<F> {
    assert(process >= 0 && process < this.#nextProcess, "a process comes from newProcess");
    assert(!this.#retired.has(process), "a process retires with an info");
    assert(!this.#busy.has(process), "a process does one thing at a time");
    this.#busy.add(process);
    this.#append(process, timeNs, "invoke", call);
    let isOpen = true;
    const complete = (type: HistoryEventType, atNs: number, value: HistoryCall["value"]): void => {
      assert(isOpen, "an operation ends once");
      isOpen = false;
      this.#busy.delete(process);
      if (type === "info") this.#retired.add(process);
      this.#append(process, atNs, type, { f: call.f, value } as HistoryCall);
    };
    return {
      ok: (atNs, value) => complete("ok", atNs, value ?? call.value),
      fail: (atNs) => complete("fail", atNs, call.value),
      info: (atNs) => complete("info", atNs, call.value),
    };
  }

  /** The history as JSON Lines. */
  format(): string {
    return formatHistory(this.#events);
  }

  #append(process: number, time: number, type: HistoryEventType, call: HistoryCall): void {
    assert(Number.isSafeInteger(time) && time >= 0, "time is an integer in [0, 2^53)");
    assert(time >= this.#lastTimeNs, "time never goes back");
    assert(this.#events.length < HISTORY_EVENTS_MAX, "a history has a bounded length");
    this.#lastTimeNs = time;
    this.#events.push({ index: this.#events.length, time, process, type, ...call });
  }
}
