import { assert } from "@kvs/env";
import { LinearizationSearch } from "./linearization-search.ts";
import { type Model, type TimedOperation } from "./model.ts";

/** How far an order of operations can be brought, and what stands in its way. */
export interface DeadEnd<State, Operation> {
  /** Operations in an order that explains all answers that were given before the culprit's. */
  readonly prefix: readonly TimedOperation<Operation>[];
  /** The operation whose answer nothing explains any more. */
  readonly culprit: TimedOperation<Operation>;
  /** Others that were under way when it was answered, and are not in `prefix`. */
  readonly pending: readonly TimedOperation<Operation>[];
  /** The state after `prefix`. */
  readonly state: State;
}

/**
 * Finds the answer with which a history stopped being linearizable: with all answers up to it
 * there is no order, without it there is one.
 *
 * An answer that has not been given yet leaves its operation with an unknown outcome; every part
 * of a linearizable history is linearizable in this sense, so bisection finds the place.
 *
 * @param operations On one key, not linearizable.
 * @param stepsMax Model steps for each search. A search that needs more counts as linearizable:
 *   then the culprit may be a later one than the first.
 *
 * Cost: log2(operations) searches.
 */
export function findDeadEnd<State, Operation>(
  model: Model<State, Operation>,
  operations: readonly TimedOperation<Operation>[],
  stepsMax: number,
): DeadEnd<State, Operation> {
  const answers = operations
    .filter(({ completedAt }) => completedAt !== Infinity)
    .toSorted((a, b) => a.completedAt - b.completedAt);
  let good = 0; // answers that are explained
  let bad = answers.length; // answers that are not
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    const original = cut(operations, answers.slice(0, middle));
    const search = new LinearizationSearch(model, [...original.keys()], stepsMax);
    if (search.run() === "violation") bad = middle;
    else good = middle;
  }
  const culprit = answers[good];
  assert(culprit !== undefined, "a history without answers is linearizable");
  const original = cut(operations, answers.slice(0, good));
  const search = new LinearizationSearch(model, [...original.keys()], stepsMax);
  search.run();
  const prefix = search.order.map((timed) => original.get(timed)!);
  const placed = new Set(prefix);
  const isPending = (timed: TimedOperation<Operation>): boolean =>
    timed !== culprit && timed.invokedAt <= culprit.completedAt && !placed.has(timed);
  return { prefix, culprit, pending: operations.filter(isPending), state: search.state };
}

/** The operations as they stood after the given answers, each with what became of it. */
function cut<Operation>(
  operations: readonly TimedOperation<Operation>[],
  answers: readonly TimedOperation<Operation>[],
): Map<TimedOperation<Operation>, TimedOperation<Operation>> {
  const end = answers.at(-1)?.completedAt ?? -Infinity;
  const answered = new Set(answers);
  const original = new Map<TimedOperation<Operation>, TimedOperation<Operation>>();
  for (const timed of operations) {
    if (timed.invokedAt > end) continue;
    const seen = answered.has(timed) ? timed : { ...timed, completedAt: Infinity };
    original.set(seen, timed);
  }
  return original;
}
