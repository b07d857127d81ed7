import { assert } from "@kvs/env";
import { type HistoryValue, type MicroOperation } from "../../../src/check/history.ts";
import {
  type Transaction,
  type TransactionOutcome,
} from "../../../src/check/serializability/transaction.ts";

/**
 * Reads transactions, one a line, all at the same time unless told:
 *
 *   a x 1            appends 1 to list x
 *   r x 1 2          reads list x as [1, 2]; "r x -" as empty
 *   w x 1            writes register x
 *   g x 1            reads register x as 1; "g x -" as absent
 *   s a..m x=1 y=2   reads the registers from a to before m
 *
 * Operations are separated by ";". A line may begin with a process, a span of time and an outcome:
 * "p3 10-20 fail: w x 1".
 */
export function transactions(text: string): Transaction[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines
    .filter((line) => line !== "")
    .map((line, id) => transaction(line, id))
    .toSorted((a, b) => a.invokedAt - b.invokedAt);
}

function transaction(line: string, id: number): Transaction {
  const [head, body] = line.includes(":") ? line.split(":") : ["", line];
  const words = head!.split(" ").filter((word) => word !== "");
  const outcome = (words.find((word) => ["ok", "fail", "info"].includes(word)) ??
    "ok") as TransactionOutcome;
  const process = words.find((word) => word.startsWith("p"));
  const span = words.find((word) => word.includes("-"))?.split("-");
  const end = outcome === "info" ? Number.POSITIVE_INFINITY : Number(span?.[1] ?? 100);
  return {
    id,
    process: process === undefined ? 1000 + id : Number(process.slice(1)),
    invokedAt: Number(span?.[0] ?? 0),
    completedAt: end,
    outcome,
    operations: body!.split(";").map((operation) => parse(operation.trim())),
  };
}

function parse(operation: string): MicroOperation {
  const [kind, key, ...rest] = operation.split(" ");
  assert(key !== undefined, "an operation has a key");
  if (kind === "a") return ["append", key, value(rest[0]!)];
  if (kind === "w") return ["w", key, value(rest[0]!)];
  if (kind === "g") return ["r", key, value(rest[0]!)];
  if (kind === "r") return ["r", key, rest[0] === "-" ? [] : rest.map(value)];
  assert(kind === "s", "an operation is a, r, w, g or s");
  const [from, to] = key.split("..");
  const pairs = rest.map((pair) => pair.split("="));
  return ["range", [from!, to!], pairs.map(([name, text]) => [name!, value(text!)])];
}

function value(text: string): HistoryValue {
  return text === "-" ? null : Number(text);
}
