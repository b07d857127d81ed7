import { assert } from "@kvs/env";

/** Who an event belongs to. Events of a dead owner never run; those of a paused one wait. */
export interface EventOwner {
  /** Which stream of the trace hash, and of tie-breaks, the owner's events belong to. */
  readonly lane: number;
  readonly isAlive: boolean;
  readonly isPaused: boolean;
  /** Takes an event that fell due while the owner is paused. */
  hold(event: SimEvent): void;
  /** Receives what the event's action threw. */
  fail(error: unknown): void;
}

/**
 * One thing that will happen. All events have one shape, so that the queue stays fast.
 *
 * Order: `atMicros`, then `rank`, then `sequence`.
 */
export interface SimEvent {
  atMicros: number;
  rank: number;
  sequence: number;
  readonly owner: EventOwner | undefined;
  /** Hash of the event's kind. */
  readonly kind: number;
  /** Hash of what the event carries. */
  readonly payload: number;
  readonly flags: number;
  isQueued: boolean;
  isCanceled: boolean;
  readonly action: () => void;
}

/** Set on events that call no code from outside the simulator: no promise can be settled. */
export const EVENT_INTERNAL = 1;
/** Set on events that wait for the end of their host's turn. */
export const EVENT_DEFERRED = 2;
/** Set on timers, which a resumed host may run before its input. */
export const EVENT_TIMER = 4;

/**
 * A binary heap of events.
 *
 * Cost: O(log n) to add and to take; cancelled events leave when they surface, or all at once when
 * they are the majority.
 */
export class EventQueue {
  #heap: SimEvent[] = [];
  #canceledCount = 0;

  /** Events queued, without the cancelled ones. */
  get count(): number {
    return this.#heap.length - this.#canceledCount;
  }

  add(event: SimEvent): void {
    assert(!event.isCanceled && !event.isQueued, "only events that may run are queued, once");
    event.isQueued = true;
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent]!;
      if (!isBefore(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  /** The earliest event that is not cancelled; it stays queued. */
  peek(): SimEvent | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.isCanceled) {
      this.#canceledCount--;
      this.#removeHead();
    }
    return this.#heap[0];
  }

  /** Removes and returns what `peek` shows. */
  take(): SimEvent | undefined {
    const event = this.peek();
    if (event === undefined) return undefined;
    this.#removeHead();
    event.isQueued = false;
    return event;
  }

  /** Keeps an event from running, wherever it is. Does nothing once it ran. */
  cancel(event: SimEvent): void {
    if (event.isCanceled) return;
    event.isCanceled = true;
    if (!event.isQueued) return; // it ran, or a paused host holds it
    this.#canceledCount++;
    if (this.#canceledCount > 1024 && this.#canceledCount * 2 > this.#heap.length) this.#sweep();
  }

  #sweep(): void {
    const kept = this.#heap.filter((event) => !event.isCanceled);
    this.#heap = [];
    this.#canceledCount = 0;
    for (const event of kept) {
      event.isQueued = false;
      this.add(event);
    }
  }

  #removeHead(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const length = heap.length;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      const below = heap[child]!;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(left: SimEvent, right: SimEvent): boolean {
  if (left.atMicros !== right.atMicros) return left.atMicros < right.atMicros;
  if (left.rank !== right.rank) return left.rank < right.rank;
  return left.sequence < right.sequence;
}
