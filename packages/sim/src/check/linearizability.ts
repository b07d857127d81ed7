import { assert } from "@kvs/env";
import { type HistoryEvent } from "./history.ts";
import { LinearizationSearch } from "./linearization-search.ts";
import { type Model, type TimedOperation } from "./model.ts";
import { registerModel, type RegisterOperation, registerOperations } from "./register-model.ts";
import { type DeadEnd, findDeadEnd } from "./dead-end.ts";
import { drawTimeline, TIMELINE_ROWS_MAX, type TimelineRow } from "./timeline.ts";

/** Model steps a key may cost by default: a few seconds at worst. */
const LINEARIZABILITY_STEPS_MAX = 5_000_000;

export interface LinearizabilityOptions {
  /** Model steps per key after which its verdict is `unknown`. At least 1. */
  readonly stepsMax?: number;
}

/** What became of all keys. A violation outweighs an unknown key. */
export interface LinearizabilityResult<Operation> {
  readonly verdict: "linearizable" | "violation" | "unknown";
  readonly keyCount: number;
  readonly operationCount: number;
  /** Model steps taken: what the check cost. */
  readonly steps: number;
  /** Keys whose search ran out of steps or memory. Shorter histories help. */
  readonly unknownKeys: readonly (string | number)[];
  readonly violatedKeys: readonly (string | number)[];
  /** Of the violated keys, the one that is explained in the fewest operations. */
  readonly violation: LinearizabilityViolation<Operation> | undefined;
}

/** Why a key is not linearizable. */
export interface LinearizabilityViolation<Operation> {
  readonly key: string | number;
  /** The operations that find a place, in an order that explains their answers. */
  readonly prefix: readonly TimedOperation<Operation>[];
  /** Those that do not: first the one whose answer nothing explains, then the ones beside it. */
  readonly unplaced: readonly TimedOperation<Operation>[];
  /** All this for people: one sentence and a timeline. */
  readonly text: string;
}

/**
 * Judges whether each key's operations could have happened one at a time, each at some moment
 * between its invocation and its completion, with the answers that were given.
 *
 * Keys are judged one by one. `linearizable` and `violation` are certain; `unknown` says that the
 * search was cut short, and counts as neither.
 *
 * @param operations In any order; all times on one clock.
 *
 * Cost: one to three model steps an operation if values are unique (some 10^5 operations a
 * second); exponential in the number of concurrent operations at worst. Keep to a few hundred
 * operations and a dozen clients a key.
 * Source: see linearization-search.ts.
 */
export function checkLinearizability<State, Operation>(
  model: Model<State, Operation>,
  operations: readonly TimedOperation<Operation>[],
  options: LinearizabilityOptions = {},
): LinearizabilityResult<Operation> {
  const stepsMax = options.stepsMax ?? LINEARIZABILITY_STEPS_MAX;
  assert(stepsMax >= 1, "a search may take a step");
  const unknownKeys: (string | number)[] = [];
  const violatedKeys: (string | number)[] = [];
  let violation: LinearizabilityViolation<Operation> | undefined;
  let steps = 0;
  const byKey = groupByKey(model, operations);
  for (const [key, ofKey] of byKey) {
    const search = new LinearizationSearch(model, ofKey, stepsMax);
    const verdict = search.run();
    steps += search.steps;
    if (verdict === "unknown") unknownKeys.push(key);
    if (verdict !== "violation") continue;
    violatedKeys.push(key);
    const found = explain(model, key, findDeadEnd(model, ofKey, stepsMax));
    if (sizeOf(found) < sizeOf(violation)) violation = found;
  }
  return {
    verdict: verdictOf(violatedKeys, unknownKeys),
    keyCount: byKey.size,
    operationCount: operations.length,
    steps,
    unknownKeys,
    violatedKeys,
    violation,
  };
}

/**
 * Judges a register history: reads, writes and compare-and-sets.
 *
 * @param events Validated (`validateHistory`).
 * @throws {KvsError} `SIM_HISTORY_INVALID` if an event is of a transaction.
 */
export function checkRegisterHistory(
  events: readonly HistoryEvent[],
  options: LinearizabilityOptions = {},
): LinearizabilityResult<RegisterOperation> {
  return checkLinearizability(registerModel, registerOperations(events), options);
}

function groupByKey<State, Operation>(
  model: Model<State, Operation>,
  operations: readonly TimedOperation<Operation>[],
): Map<string | number, TimedOperation<Operation>[]> {
  const byKey = new Map<string | number, TimedOperation<Operation>[]>();
  for (const operation of operations) {
    assert(operation.invokedAt <= operation.completedAt, "an operation begins before it ends");
    assert(Number.isFinite(operation.invokedAt), "an operation was invoked at some time");
    const key = model.key(operation.operation);
    const ofKey = byKey.get(key);
    if (ofKey === undefined) byKey.set(key, [operation]);
    else ofKey.push(operation);
  }
  return byKey;
}

function verdictOf(
  violatedKeys: readonly unknown[],
  unknownKeys: readonly unknown[],
): LinearizabilityResult<unknown>["verdict"] {
  if (violatedKeys.length > 0) return "violation";
  return unknownKeys.length > 0 ? "unknown" : "linearizable";
}

function sizeOf(violation: LinearizabilityViolation<unknown> | undefined): number {
  return violation === undefined ? Infinity : violation.prefix.length + violation.unplaced.length;
}

function explain<State, Operation>(
  model: Model<State, Operation>,
  key: string | number,
  deadEnd: DeadEnd<State, Operation>,
): LinearizabilityViolation<Operation> {
  const { prefix, culprit, pending, state } = deadEnd;
  const row = (timed: TimedOperation<Operation>, note: string): TimelineRow => ({
    invokedAt: timed.invokedAt,
    completedAt: timed.completedAt,
    process: timed.process,
    label: model.describe(timed.operation),
    note,
  });
  const placedRows = prefix.map((timed, at) => row(timed, `#${at + 1}`));
  const pendingRows = pending
    .slice(0, TIMELINE_ROWS_MAX / 2)
    .map((timed) => row(timed, "no place"));
  const room = Math.max(TIMELINE_ROWS_MAX - pendingRows.length - 1, 0);
  const shown = placedRows.slice(-room);
  const hidden = placedRows.length - shown.length;
  const lines = [
    `key ${JSON.stringify(key)} is not linearizable: ${prefix.length} operations have a place, ` +
      `and lead to ${model.describeState(state)}; ` +
      `then process ${culprit.process}'s ${model.describe(culprit.operation)} has none`,
    ...(hidden === 0 ? [] : [`(the first ${hidden} operations are not shown)`]),
    drawTimeline([...shown, ...pendingRows, row(culprit, "no place, and was answered first")]),
  ];
  return { key, prefix, unplaced: [culprit, ...pending], text: lines.join("\n") };
}
