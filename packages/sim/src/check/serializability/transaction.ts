import { unreachable } from "@kvs/env";
import {
  type HistoryEvent,
  type HistoryKey,
  type HistoryValue,
  type MicroOperation,
} from "../history.ts";

/** What became of a transaction. `info`: nobody knows. */
export type TransactionOutcome = "ok" | "fail" | "info";

/** One transaction of a history: what it asked and, if it is known, what it was answered. */
export interface Transaction {
  /** Its number: the index of its invocation in the history. */
  readonly id: number;
  readonly process: number;
  readonly invokedAt: number;
  /** `Infinity` unless `ok` or `fail`. */
  readonly completedAt: number;
  readonly outcome: TransactionOutcome;
  /** With what was read if `ok`; else reads are `null` and mean nothing. */
  readonly operations: readonly MicroOperation[];
}

/**
 * The transactions of a history, in order of invocation. A register's read or write is a transaction
 * of one operation; a compare-and-set that happened is a read and a write.
 *
 * @param events Validated (`validateHistory`).
 */
export function transactionsOf(events: readonly HistoryEvent[]): Transaction[] {
  const open = new Map<number, HistoryEvent>();
  const transactions: Transaction[] = [];
  for (const event of events) {
    if (event.type === "invoke") {
      open.set(event.process, event);
      continue;
    }
    const invocation = open.get(event.process);
    if (invocation === undefined) continue;
    open.delete(event.process);
    transactions.push(transactionOf(invocation, event));
  }
  for (const invocation of open.values()) transactions.push(transactionOf(invocation, undefined));
  return transactions.toSorted((a, b) => a.id - b.id);
}

function transactionOf(
  invocation: HistoryEvent,
  completion: HistoryEvent | undefined,
): Transaction {
  const outcome = completion === undefined ? "info" : outcomeOf(completion);
  return {
    id: invocation.index,
    process: invocation.process,
    invokedAt: invocation.time,
    completedAt: outcome === "info" ? Number.POSITIVE_INFINITY : completion!.time,
    outcome,
    operations: operationsOf(outcome === "ok" ? completion! : invocation),
  };
}

function outcomeOf({ type }: HistoryEvent): TransactionOutcome {
  return type === "ok" || type === "fail" ? type : "info";
}

function operationsOf(event: HistoryEvent): readonly MicroOperation[] {
  switch (event.f) {
    case "read":
      return [["r", event.value[0], event.value[1]]];
    case "write":
      return [["w", event.value[0], event.value[1]]];
    case "cas": {
      const [key, [expected, next]] = event.value;
      return [
        ["r", key, expected],
        ["w", key, next],
      ];
    }
    case "txn":
      return event.value;
    default:
      return unreachable(event, "function of a history");
  }
}

/** Text for people: what a transaction did. */
export function describeTransaction({ id, process, outcome, operations }: Transaction): string {
  const steps = operations.map(describeOperation).join(" ");
  const end = outcome === "ok" ? "" : `, ${outcome}`;
  return `T${id} (process ${process}${end}): ${steps}`;
}

function describeOperation(operation: MicroOperation): string {
  const [kind, key, value] = operation;
  const name = JSON.stringify(key);
  const text = JSON.stringify(value);
  if (kind === "append") return `append(${name}, ${text})`;
  if (kind === "w") return `write(${name}, ${text})`;
  return kind === "r" ? `read(${name}) = ${text}` : `range(${name}) = ${text}`;
}

/** A value of a key that some transaction wrote: unique, so it names its writer. */
export function versionName(key: HistoryKey, value: HistoryValue): string {
  return JSON.stringify([key, value]);
}
