import { unreachable } from "@kvs/env";
import {
  type HistoryCall,
  type HistoryEvent,
  type HistoryKey,
  type HistoryValue,
  type MicroOperation,
  historyError,
} from "./history.ts";

export interface HistoryRules {
  /** Rule 4: no value is written twice to a key, `null` never. Default: true. */
  readonly uniqueWrites?: boolean;
  /** Rule 5: a read before the first write shows an empty database. Default: true. */
  readonly emptyStart?: boolean;
}

/**
 * Checks the numbered rules at the head of history.ts. A judge may believe a history that passed.
 *
 * Cost: O(events) time, O(writes) memory.
 *
 * @throws {KvsError} `SIM_HISTORY_INVALID` for the first line that breaks a rule; lines count from
 *   1 and are those of `formatHistory`.
 */
export function validateHistory(events: readonly HistoryEvent[], rules: HistoryRules = {}): void {
  checkProcesses(events);
  if (rules.uniqueWrites !== false) checkUniqueWrites(events);
  if (rules.emptyStart !== false) checkEmptyStart(events);
}

/** Rules 1 to 3. */
function checkProcesses(events: readonly HistoryEvent[]): void {
  const open = new Map<number, HistoryEvent>();
  const retired = new Set<number>();
  let lastTime = 0;
  for (const [at, event] of events.entries()) {
    const line = at + 1;
    const { process } = event;
    if (event.index !== at) throw historyError(line, `"index" is ${event.index}, expected ${at}`);
    if (event.time < lastTime) throw historyError(line, "time goes back");
    lastTime = event.time;
    if (retired.has(process)) throw historyError(line, `process ${process} retired with an info`);
    const invocation = open.get(process);
    if (event.type === "invoke") {
      if (invocation !== undefined) {
        throw historyError(line, `process ${process} already has an open operation`);
      }
      if (!readsNothing(event)) throw historyError(line, "a read is invoked with null");
      open.set(process, event);
      continue;
    }
    if (invocation === undefined) throw historyError(line, `process ${process} has nothing open`);
    if (!isAnswerTo(invocation, event)) {
      throw historyError(line, `this does not answer line ${invocation.index + 1}`);
    }
    open.delete(process);
    if (event.type === "info") retired.add(process);
  }
}

/** Whether the reads of an invocation are still unanswered. */
function readsNothing(call: HistoryCall): boolean {
  if (call.f === "read") return call.value[1] === null;
  return call.f !== "txn" || call.value.every((step) => !isRead(step) || step[2] === null);
}

/** Whether a completion asks the same of the same keys; an `ok` also wrote the same values. */
function isAnswerTo(invocation: HistoryEvent, completion: HistoryEvent): boolean {
  const asked = askedBy(invocation, completion.type === "ok");
  return asked === askedBy(completion, completion.type === "ok");
}

/** A text that is equal for calls that ask the same. */
function askedBy(call: HistoryCall, withWrites: boolean): string {
  switch (call.f) {
    case "read":
      return JSON.stringify([call.f, call.value[0]]);
    case "write":
    case "cas":
      return JSON.stringify([call.f, withWrites ? call.value : call.value[0]]);
    case "txn":
      return JSON.stringify(
        call.value.map((step) => [step[0], step[1], withWrites && !isRead(step) && step[2]]),
      );
    default:
      return unreachable(call, "function of a history");
  }
}

function checkUniqueWrites(events: readonly HistoryEvent[]): void {
  const writtenOf = new Map<HistoryKey, Set<HistoryValue>>();
  for (const event of events) {
    if (event.type !== "invoke") continue;
    const line = event.index + 1;
    for (const [key, value] of writesOf(event)) {
      if (value === null)
        throw historyError(line, "null is written: use a value that marks deletes");
      const written = writtenOf.get(key) ?? new Set();
      writtenOf.set(key, written);
      if (written.has(value)) {
        throw historyError(line, `${JSON.stringify(value)} is written twice to key ${key}`);
      }
      written.add(value);
    }
  }
}

/** The writes a call asks for: pairs of key and value. */
function writesOf(call: HistoryCall): (readonly [HistoryKey, HistoryValue])[] {
  switch (call.f) {
    case "read":
      return [];
    case "write":
      return [call.value];
    case "cas":
      return [[call.value[0], call.value[1][1]]];
    case "txn":
      return call.value.flatMap((step) => (isRead(step) ? [] : [[step[1], step[2]] as const]));
    default:
      return unreachable(call, "function of a history");
  }
}

function checkEmptyStart(events: readonly HistoryEvent[]): void {
  let isProven = false;
  for (const event of events) {
    if (event.type === "invoke" && writesOf(event).length > 0) break;
    if (event.type !== "ok") continue;
    for (const [key, value] of readsOf(event)) {
      if (value !== null && !(Array.isArray(value) && value.length === 0)) {
        throw historyError(event.index + 1, `key ${key} holds something before the first write`);
      }
      isProven = true;
    }
  }
  if (!isProven) throw historyError(1, "no read proves, before the first write, an empty database");
}

/** What a completed call read. */
function readsOf(
  call: HistoryCall,
): (readonly [HistoryKey, HistoryValue | readonly HistoryValue[]])[] {
  if (call.f === "read") return [call.value];
  if (call.f !== "txn") return [];
  type Read = readonly [HistoryKey, HistoryValue | readonly HistoryValue[]];
  return call.value.flatMap((step): readonly Read[] => {
    if (step[0] === "range") return step[2] ?? [];
    return step[0] === "r" ? [[step[1], step[2]]] : [];
  });
}

function isRead(
  step: MicroOperation,
): step is Exclude<MicroOperation, readonly ["append" | "w", ...unknown[]]> {
  return step[0] === "r" || step[0] === "range";
}
