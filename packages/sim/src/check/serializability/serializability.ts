import { type HistoryEvent } from "../history.ts";
import { type Anomaly, type HistoryLevel, cycleAnomaly, isForbidden } from "./anomaly.ts";
import { findCycles } from "./cycle-search.ts";
import { Inference } from "./inference.ts";
import { inferListVersions } from "./list-versions.ts";
import { inferRegisterVersions } from "./register-versions.ts";
import { addProcessOrder, addRealTimeOrder } from "./time-order.ts";
import { type Transaction, transactionsOf } from "./transaction.ts";

/** What a history of transactions shows. */
export interface SerializabilityResult {
  /** Of each kind the smallest cycle, and the first few of what needs no cycle. */
  readonly anomalies: readonly Anomaly[];
  readonly transactionCount: number;
  readonly dependencyCount: number;
  /** The strongest level that forbids nothing of it; `undefined` if all forbid something. */
  readonly level: HistoryLevel | undefined;
}

/**
 * Judges which level of isolation a history of transactions can have had, from who read what whom
 * wrote. Lists that are appended to tell the order of their versions, registers only part of it.
 *
 * An anomaly that is reported is certain, if values are unique and answers true. A history without
 * one may still be wrong where nobody looked.
 *
 * @param events Validated (`validateHistory`).
 *
 * Cost: some 10^5 operations a second while there is no cycle.
 * Source: Kingsbury & Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations"
 * (VLDB 2020).
 */
export function checkSerializability(events: readonly HistoryEvent[]): SerializabilityResult {
  return checkTransactions(transactionsOf(events));
}

/** As {@link checkSerializability}, of transactions in order of invocation. */
export function checkTransactions(transactions: readonly Transaction[]): SerializabilityResult {
  const inference = new Inference(transactions);
  inferListVersions(inference);
  inferRegisterVersions(inference);
  const { graph } = inference;
  const dependencyCount = graph.edges.length;
  addProcessOrder(graph, transactions);
  addRealTimeOrder(graph, transactions);
  const cycles = findCycles(graph).map((cycle) => cycleAnomaly(cycle, transactions));
  const anomalies = [...inference.anomalies, ...cycles];
  return {
    anomalies,
    transactionCount: transactions.length,
    dependencyCount,
    level: LEVELS.find((level) => !anomalies.some((anomaly) => isForbidden(anomaly, level))),
  };
}

/** From the strongest down. */
const LEVELS: readonly HistoryLevel[] = [
  "strict-serializable",
  "serializable",
  "snapshot",
  "read-committed",
];
