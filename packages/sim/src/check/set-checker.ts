import { assert } from "@kvs/env";
import {
  type HistoryEvent,
  type HistoryKey,
  type HistoryValue,
  historyError,
  type MicroOperation,
} from "./history.ts";

/** One operation on a set that only grows. Times are in any unit that orders events. */
export type SetOperation<Element> =
  | {
      readonly type: "add";
      readonly element: Element;
      readonly invokedAt: number;
      /** `Infinity` if the outcome is unknown. */
      readonly completedAt: number;
      /** The add certainly did not happen. */
      readonly hasFailed?: boolean;
    }
  | {
      readonly type: "read";
      readonly elements: readonly Element[];
      readonly invokedAt: number;
      readonly completedAt: number;
    };

/** What is wrong with one element in one read. */
export interface SetAnomaly<Element> {
  /**
   * - `lost`: it was acknowledged, or read, before this read began; and is missing.
   * - `never-added`: nobody added it, or only later.
   * - `failed-add`: its add had certainly not happened.
   * - `duplicate`: the read has it more than once.
   */
  readonly type: "lost" | "never-added" | "failed-add" | "duplicate";
  readonly element: Element;
  readonly readInvokedAt: number;
  readonly text: string;
}

export interface SetResult<Element> {
  readonly verdict: "valid" | "violation";
  readonly readCount: number;
  readonly acknowledgedCount: number;
  /** Elements whose add had an unknown outcome, and that some read saw. */
  readonly recoveredCount: number;
  readonly anomalyCount: number;
  /** The first `SET_ANOMALIES_MAX`, in the order of the reads. */
  readonly anomalies: readonly SetAnomaly<Element>[];
}

/** Anomalies that are described; the rest is counted. */
export const SET_ANOMALIES_MAX = 50;

/**
 * Judges a set that clients add unique elements to and read whole: what was acknowledged stays,
 * for ever and in every read; what was not added never shows.
 *
 * An element that one read saw is as good as acknowledged when that read ended. Elements are
 * compared as keys of a Map. Each is added once.
 *
 * Cost: O(all elements of all reads + n log n).
 * Source: the set-full workload of Jepsen.
 */
export function checkSet<Element>(
  operations: readonly SetOperation<Element>[],
): SetResult<Element> {
  const { facts, reads } = gatherFacts(operations);
  const anomalies: SetAnomaly<Element>[] = [];
  let anomalyCount = 0;
  const byKnown = [...facts.values()].toSorted((a, b) => a.knownAt - b.knownAt);
  for (const read of reads.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (const { type, element } of anomaliesOf(read, facts, byKnown)) {
      anomalyCount++;
      if (anomalies.length >= SET_ANOMALIES_MAX) continue;
      const readInvokedAt = read.invokedAt;
      const text = `${describe(type, element)} in the read invoked at ${readInvokedAt}`;
      anomalies.push({ type, element, readInvokedAt, text });
    }
  }
  const added = [...facts.values()];
  return {
    verdict: anomalyCount === 0 ? "valid" : "violation",
    readCount: reads.length,
    acknowledgedCount: added.filter((fact) => fact.isAcknowledged).length,
    recoveredCount: added.filter((fact) => !fact.isAcknowledged && fact.wasSeen).length,
    anomalyCount,
    anomalies,
  };
}

/**
 * The operations on one list of an append history, taken as a set: each transaction of a single
 * `append` to `key` is an add, each of a single `r` a read. Others are left out.
 *
 * @param events Validated (`validateHistory`).
 * @throws {KvsError} `SIM_HISTORY_INVALID` if a read saw something else than a list.
 */
export function setOperations(
  events: readonly HistoryEvent[],
  key: HistoryKey,
): SetOperation<HistoryValue>[] {
  const operations: SetOperation<HistoryValue>[] = [];
  const open = new Map<number, HistoryEvent>();
  for (const event of events) {
    if (event.type === "invoke") {
      open.set(event.process, event);
      continue;
    }
    const invocation = open.get(event.process);
    if (invocation === undefined || event.type === "info") continue;
    open.delete(event.process);
    operations.push(...setOperationOf(invocation, event, key));
  }
  for (const invocation of open.values()) {
    operations.push(...setOperationOf(invocation, undefined, key));
  }
  return operations;
}

/** None or one operation. `answer` is absent if the outcome is unknown. */
function setOperationOf(
  invocation: HistoryEvent,
  answer: HistoryEvent | undefined,
  key: HistoryKey,
): SetOperation<HistoryValue>[] {
  const step = soleStep(answer ?? invocation);
  if (step === undefined || step[0] === "range" || step[1] !== key) return [];
  const invokedAt = invocation.index;
  const completedAt = answer?.index ?? Infinity;
  if (step[0] === "append") {
    const hasFailed = answer?.type === "fail";
    return [{ type: "add", element: step[2], invokedAt, completedAt, hasFailed }];
  }
  if (step[0] === "w" || answer?.type !== "ok") return [];
  return [{ type: "read", elements: listRead(step[2], completedAt), invokedAt, completedAt }];
}

function soleStep(event: HistoryEvent): MicroOperation | undefined {
  return event.f === "txn" && event.value.length === 1 ? event.value[0] : undefined;
}

function listRead(
  value: HistoryValue | readonly HistoryValue[],
  index: number,
): readonly HistoryValue[] {
  if (value === null) return [];
  if (typeof value === "object") return value;
  throw historyError(index + 1, "a read of a set sees a list");
}

interface ElementFacts<Element> {
  readonly element: Element;
  readonly addedAt: number;
  readonly isAcknowledged: boolean;
  readonly hasFailed: boolean;
  wasSeen: boolean;
  /** From here on every read must have it: the earliest acknowledgement or end of a read. */
  knownAt: number;
}

type SetRead<Element> = Extract<SetOperation<Element>, { type: "read" }>;

function gatherFacts<Element>(operations: readonly SetOperation<Element>[]): {
  facts: Map<Element, ElementFacts<Element>>;
  reads: SetRead<Element>[];
} {
  const facts = new Map<Element, ElementFacts<Element>>();
  const reads: SetRead<Element>[] = [];
  for (const operation of operations) {
    assert(operation.invokedAt <= operation.completedAt, "an operation begins before it ends");
    if (operation.type === "read") {
      reads.push(operation);
      continue;
    }
    const { element, invokedAt, completedAt, hasFailed = false } = operation;
    assert(!facts.has(element), "an element is added once");
    const isAcknowledged = !hasFailed && completedAt !== Infinity;
    const knownAt = isAcknowledged ? completedAt : Infinity;
    facts.set(element, {
      element,
      addedAt: invokedAt,
      isAcknowledged,
      hasFailed,
      wasSeen: false,
      knownAt,
    });
  }
  for (const read of reads) {
    for (const element of read.elements) {
      const fact = facts.get(element);
      if (fact === undefined || fact.hasFailed) continue;
      fact.wasSeen = true;
      fact.knownAt = Math.min(fact.knownAt, read.completedAt);
    }
  }
  return { facts, reads };
}

function anomaliesOf<Element>(
  read: SetRead<Element>,
  facts: ReadonlyMap<Element, ElementFacts<Element>>,
  byKnown: readonly ElementFacts<Element>[],
): Pick<SetAnomaly<Element>, "type" | "element">[] {
  const found: Pick<SetAnomaly<Element>, "type" | "element">[] = [];
  const seen = new Set<Element>();
  let seenAndKnown = 0;
  for (const element of read.elements) {
    if (seen.has(element)) {
      found.push({ type: "duplicate", element });
      continue;
    }
    seen.add(element);
    const fact = facts.get(element);
    if (fact === undefined || fact.addedAt > read.completedAt) {
      found.push({ type: "never-added", element });
    } else if (fact.hasFailed) {
      found.push({ type: "failed-add", element });
    }
    if (fact !== undefined && fact.knownAt < read.invokedAt) seenAndKnown++;
  }
  if (seenAndKnown === countKnownBefore(byKnown, read.invokedAt)) return found;
  for (const { element, knownAt } of byKnown) {
    if (knownAt >= read.invokedAt) break;
    if (!seen.has(element)) found.push({ type: "lost", element });
  }
  return found;
}

/** How many elements were known before `moment`, by binary search. */
function countKnownBefore(byKnown: readonly ElementFacts<unknown>[], moment: number): number {
  let from = 0;
  let to = byKnown.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (byKnown[middle]!.knownAt < moment) from = middle + 1;
    else to = middle;
  }
  return from;
}

function describe(type: SetAnomaly<unknown>["type"], element: unknown): string {
  const name = JSON.stringify(element);
  if (type === "lost") return `element ${name} was there before and is missing`;
  if (type === "never-added") return `element ${name} shows before anyone added it`;
  if (type === "failed-add") return `element ${name} shows although its add failed`;
  return `element ${name} shows twice`;
}
