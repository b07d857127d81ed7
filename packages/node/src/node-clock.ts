/**
 * The host's clock, with the order of timers that `Clock` promises.
 *
 * Node keeps one list per duration, cuts fractions of a millisecond off and measures from a cached
 * time: its timers may fire early, and two of different durations in the wrong order. So the timers
 * are kept here, in a heap by (due time, order of scheduling), and one timer of Node wakes it.
 *
 * 1. The heap's head is the next to run; a cancelled entry stays until it is the head, or until
 *    such entries are more than half of the heap.
 * 2. A wake-up is armed exactly while an entry that was not cancelled exists: it keeps the process
 *    alive, and nothing else here does.
 * 3. One wake-up runs one action, so that promises settle between two actions. What is still due
 *    runs in the turns that follow.
 */
import { type Clock, type Timer, assert } from "@kvs/env";

const DELAY_MAX_MS = 2 ** 31 - 1;
/** Below this many entries a sweep of cancelled ones is not worth its time. */
const SWEEP_MIN_COUNT = 64;

/** The real clock: `performance.now` and `Date.now`, whatever the host makes of them. */
export class NodeClock implements Clock {
  #heap: Entry[] = [];
  #canceledCount = 0;
  #scheduledCount = 0;
  #wakeUp: WakeUp | undefined;

  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): number {
    return Date.now();
  }

  schedule(delayMs: number, action: () => void): Timer {
    assert(delayMs >= 0 && delayMs <= DELAY_MAX_MS, "a delay is 0 to 2^31 - 1 ms");
    const entry: Entry = {
      dueMs: performance.now() + delayMs,
      sequence: this.#scheduledCount++,
      action,
    };
    push(this.#heap, entry);
    if (this.#heap[0] === entry) this.#arm();
    return { cancel: () => this.#cancel(entry) };
  }

  defer(action: () => void): void {
    setImmediate(action);
  }

  #cancel(entry: Entry): void {
    if (entry.action === undefined) return;
    entry.action = undefined; // lets go of what it holds, however long the entry stays
    this.#canceledCount++;
    assert(this.#canceledCount <= this.#heap.length, "only entries of the heap are cancelled");
    if (this.#canceledCount === this.#heap.length) this.#sweep();
    else if (this.#heap.length >= SWEEP_MIN_COUNT && this.#canceledCount * 2 > this.#heap.length) {
      this.#sweep();
    }
  }

  #sweep(): void {
    const live = this.#heap.filter((entry) => entry.action !== undefined);
    live.sort((a, b) => (isEarlier(a, b) ? -1 : 1)); // a sorted array is a heap
    this.#heap = live;
    this.#canceledCount = 0;
    this.#arm();
  }

  /** Sets the wake-up to the head's due time; keeps an armed one that is early enough. */
  #arm(): void {
    const head = this.#heap[0];
    if (head === undefined) {
      this.#disarm();
      return;
    }
    if (this.#wakeUp !== undefined && this.#wakeUp.dueMs <= head.dueMs) return;
    this.#disarm();
    const waitMs = head.dueMs - performance.now();
    const run = (): void => this.#run();
    if (waitMs <= 0) {
      const immediate = setImmediate(run);
      this.#wakeUp = { dueMs: head.dueMs, clear: () => clearImmediate(immediate) };
    } else {
      const timeout = setTimeout(run, Math.ceil(waitMs));
      this.#wakeUp = { dueMs: head.dueMs, clear: () => clearTimeout(timeout) };
    }
  }

  #disarm(): void {
    this.#wakeUp?.clear();
    this.#wakeUp = undefined;
  }

  #run(): void {
    this.#wakeUp = undefined;
    this.#dropCanceled();
    const head = this.#heap[0];
    const isDue = head !== undefined && head.dueMs <= performance.now();
    if (isDue) pop(this.#heap);
    this.#dropCanceled();
    this.#arm(); // before the action: what it throws must not stop the others
    const action = isDue ? head.action : undefined;
    if (head !== undefined && isDue) head.action = undefined; // a later cancel does nothing
    action?.();
  }

  #dropCanceled(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.action === undefined) {
      pop(this.#heap);
      this.#canceledCount--;
    }
  }
}

/** One scheduled action; without `action` it was cancelled or has run. */
interface Entry {
  readonly dueMs: number;
  readonly sequence: number;
  action: (() => void) | undefined;
}

interface WakeUp {
  readonly dueMs: number;
  readonly clear: () => void;
}

function isEarlier(a: Entry, b: Entry): boolean {
  return a.dueMs === b.dueMs ? a.sequence < b.sequence : a.dueMs < b.dueMs;
}

function push(heap: Entry[], entry: Entry): void {
  let at = heap.length;
  heap.push(entry);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isEarlier(entry, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = entry;
}

/** Removes the head of a heap that is not empty. */
function pop(heap: Entry[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isEarlier(heap[child + 1]!, heap[child]!)) child++;
    if (!isEarlier(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}
