import { unreachable } from "@kvs/env";
import { type HistoryEvent, type HistoryKey, type HistoryValue, historyError } from "./history.ts";
import { IMPOSSIBLE, type Model, type TimedOperation } from "./model.ts";

/** One operation on a register; a read carries what it saw. */
export type RegisterOperation =
  | { readonly type: "read"; readonly key: HistoryKey; readonly value: HistoryValue }
  | { readonly type: "write"; readonly key: HistoryKey; readonly value: HistoryValue }
  | {
      readonly type: "cas";
      readonly key: HistoryKey;
      readonly expected: HistoryValue;
      readonly value: HistoryValue;
    };

/** A cell with read, write and compare-and-set. A register nobody wrote holds `null`. */
export const registerModel: Model<HistoryValue, RegisterOperation> = {
  init: () => null,
  step(state, operation) {
    switch (operation.type) {
      case "read":
        return operation.value === state ? state : IMPOSSIBLE;
      case "write":
        return operation.value;
      case "cas":
        return operation.expected === state ? operation.value : IMPOSSIBLE;
      default:
        return unreachable(operation, "register operation");
    }
  },
  isRead: (operation) => operation.type === "read",
  key: (operation) => operation.key,
  identity: (state) => state,
  content: (state) => state,
  expects(operation) {
    if (operation.type === "write") return undefined;
    return { content: operation.type === "cas" ? operation.expected : operation.value };
  },
  leaves: (operation) => (operation.type === "read" ? undefined : { content: operation.value }),
  describe(operation) {
    const value = JSON.stringify(operation.value);
    if (operation.type === "read") return `read → ${value}`;
    if (operation.type === "write") return `write ${value}`;
    return `cas ${JSON.stringify(operation.expected)} → ${value}`;
  },
  describeState: (state) => JSON.stringify(state),
};

/**
 * The operations of a register history, with positions in the history as times.
 *
 * Dropped: what failed, for it did not happen; reads of unknown outcome, for they say nothing; and
 * writes of unknown outcome whose value no operation met: whatever followed one of them overwrote
 * it, and can do so without it.
 *
 * @param events Validated (`validateHistory`).
 * @throws {KvsError} `SIM_HISTORY_INVALID` if an event is of a transaction.
 */
export function registerOperations(
  events: readonly HistoryEvent[],
): TimedOperation<RegisterOperation>[] {
  const operations: TimedOperation<RegisterOperation>[] = [];
  const open = new Map<number, HistoryEvent>();
  for (const event of events) {
    if (event.type === "invoke") {
      open.set(event.process, event);
      continue;
    }
    const invocation = open.get(event.process);
    if (invocation === undefined || event.type === "info") continue;
    open.delete(event.process);
    if (event.type === "ok") operations.push(timed(invocation, event, event.index));
  }
  for (const invocation of open.values()) {
    if (invocation.f !== "read") operations.push(timed(invocation, invocation, Infinity));
  }
  return withoutUnmet(operations);
}

function withoutUnmet(
  operations: readonly TimedOperation<RegisterOperation>[],
): TimedOperation<RegisterOperation>[] {
  const met = new Map<HistoryKey, Set<HistoryValue>>();
  for (const { operation } of operations) {
    if (operation.type === "write") continue;
    const values = met.get(operation.key) ?? new Set();
    met.set(operation.key, values);
    values.add(operation.type === "cas" ? operation.expected : operation.value);
  }
  return operations.filter(
    ({ operation, completedAt }) =>
      completedAt !== Infinity || met.get(operation.key)?.has(operation.value) === true,
  );
}

function timed(
  invocation: HistoryEvent,
  answer: HistoryEvent,
  completedAt: number,
): TimedOperation<RegisterOperation> {
  return {
    process: invocation.process,
    operation: registerOperation(answer),
    invokedAt: invocation.index,
    completedAt,
  };
}

function registerOperation(event: HistoryEvent): RegisterOperation {
  switch (event.f) {
    case "read":
    case "write":
      return { type: event.f, key: event.value[0], value: event.value[1] };
    case "cas": {
      const [key, [expected, value]] = event.value;
      return { type: "cas", key, expected, value };
    }
    case "txn":
      throw historyError(event.index + 1, "a register history holds no transactions");
    default:
      return unreachable(event, "function of a history");
  }
}
