import { type LockOwner, type Wait } from "./lock-table.ts";

/** One who waits, and for whom, on a circle. */
export interface WaitStep {
  readonly wait: Wait;
  readonly waitsFor: LockOwner;
}

/**
 * Finds a circle of waits through this transaction. A wait is for the one who holds the lock and for
 * all who stand before it in the queue.
 *
 * @returns its steps, from this one's wait round; `undefined` if there is none. A shortest one.
 *
 * Cost: the waits that can be reached from here, each looked at once.
 * Source: Bernstein, Hadzilacos & Goodman, "Concurrency Control and Recovery in Database Systems"
 * (1987), §3.4.
 */
export function findWaitCycle(
  start: LockOwner,
  waitsOf: (owner: LockOwner) => readonly Wait[],
): WaitStep[] | undefined {
  const cameFrom = new Map<LockOwner, WaitStep>();
  let wave: LockOwner[] = [start];
  while (wave.length > 0) {
    const next: LockOwner[] = [];
    for (const owner of wave) {
      for (const wait of waitsOf(owner)) {
        for (const waitsFor of blockersOf(wait)) {
          if (waitsFor === start) return stepsTo({ wait, waitsFor }, cameFrom, start);
          if (cameFrom.has(waitsFor)) continue;
          cameFrom.set(waitsFor, { wait, waitsFor });
          next.push(waitsFor);
        }
      }
    }
    wave = next;
  }
  return undefined;
}

/** The holder first, then those before it in the queue. */
function* blockersOf(wait: Wait): Generator<LockOwner> {
  yield wait.lock.holder;
  for (const before of wait.lock.queue) {
    if (before === wait) return;
    if (before.owner !== wait.owner) yield before.owner;
  }
}

function stepsTo(
  last: WaitStep,
  cameFrom: ReadonlyMap<LockOwner, WaitStep>,
  start: LockOwner,
): WaitStep[] {
  const steps = [last];
  for (let owner = last.wait.owner; owner !== start;) {
    const step = cameFrom.get(owner)!;
    steps.push(step);
    owner = step.wait.owner;
  }
  return steps.toReversed();
}
