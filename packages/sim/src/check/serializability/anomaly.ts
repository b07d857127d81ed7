import { type HistoryKey } from "../history.ts";
import { type Dependency, PROCESS, REALTIME, RW, WR, WW } from "./dependency-graph.ts";
import { type Transaction, describeTransaction } from "./transaction.ts";

/**
 * What a history shows that some level of isolation forbids.
 *
 * Seen in one or two transactions:
 * - `internal`: a transaction does not see what it wrote itself.
 * - `unrepeatable-read`: it reads a key twice, and finds two answers.
 * - `G1a`: it read what a transaction wrote that certainly did not happen.
 * - `G1b`: it read what another wrote and overwrote or went on appending to within itself.
 * - `never-written`: it read what nobody wrote.
 * - `duplicate`: a list has an element twice.
 * - `incompatible-order`: two reads of a list cannot be states of one list.
 * - `lost-update`: two transactions read one version of a key, and both replaced it.
 *
 * Cycles, by the dependencies on the way round:
 * - `G0`: writes alone.
 * - `G1c`: writes and reads of what was written.
 * - `G-single`: one anti-dependency, as in read skew.
 * - `G-nonadjacent`: several anti-dependencies, no two of them next to each other; `long-fork` if two
 *   readers see two independent writes in opposite orders.
 * - `G2-item`: two anti-dependencies next to each other; `write-skew` if two transactions read what the
 *   other writes.
 * - `G2`: the same, one of them from reading a range.
 *
 * Source: Adya, "Weak Consistency" (1999); Kingsbury & Alvaro, "Elle" (2020); Cerone & Gotsman,
 * "Analysing Snapshot Isolation" (2018) for nonadjacent cycles.
 */
export type AnomalyType =
  | "internal"
  | "unrepeatable-read"
  | "G1a"
  | "G1b"
  | "never-written"
  | "duplicate"
  | "incompatible-order"
  | "lost-update"
  | "G0"
  | "G1c"
  | "G-single"
  | "G-nonadjacent"
  | "long-fork"
  | "G2-item"
  | "write-skew"
  | "G2";

/** What besides reads and writes a cycle needs: nothing, the order of one client, or real time. */
export type AnomalyOrder = "data" | "process" | "realtime";

export interface Anomaly {
  readonly type: AnomalyType;
  readonly order: AnomalyOrder;
  /** The transactions that show it; of a cycle, in its order. */
  readonly transactions: readonly Transaction[];
  /** For people: what was seen, a line for each transaction and step. */
  readonly text: string;
}

/** Levels of isolation, each forbidding all that the one before does. */
export type HistoryLevel = "read-committed" | "snapshot" | "serializable" | "strict-serializable";

const FORBIDDEN_BY_READ_COMMITTED: readonly AnomalyType[] = [
  "internal",
  "G1a",
  "G1b",
  "never-written",
  "duplicate",
  "incompatible-order",
  "G0",
  "G1c",
];
const FORBIDDEN_BY_SNAPSHOT: readonly AnomalyType[] = [
  ...FORBIDDEN_BY_READ_COMMITTED,
  "unrepeatable-read",
  "lost-update",
  "G-single",
  "G-nonadjacent",
  "long-fork",
];

/** Whether a level forbids an anomaly. */
export function isForbidden(
  { type, order }: Pick<Anomaly, "type" | "order">,
  level: HistoryLevel,
): boolean {
  if (level === "strict-serializable") return true;
  if (order !== "data") return false;
  if (level === "serializable") return true;
  if (level === "snapshot") return FORBIDDEN_BY_SNAPSHOT.includes(type);
  return FORBIDDEN_BY_READ_COMMITTED.includes(type);
}

/** An anomaly without a cycle. */
export function plainAnomaly(
  type: AnomalyType,
  transactions: readonly Transaction[],
  what: string,
): Anomaly {
  const text = [`${type}: ${what}`, ...transactions.map(describeTransaction)].join("\n  ");
  return { type, order: "data", transactions, text };
}

/** An anomaly that is a cycle of dependencies. */
export function cycleAnomaly(cycle: readonly Dependency[], all: readonly Transaction[]): Anomaly {
  const type = typeOfCycle(cycle);
  const order = orderOf(cycle);
  const transactions = cycle.map(({ from }) => all[from]!);
  const suffix =
    order === "data"
      ? ""
      : ` (with ${order === "process" ? "the order of one client" : "real time"})`;
  const lines = [
    `${type}${suffix}: ${cycle.length} transactions in a circle`,
    ...transactions.map(describeTransaction),
    ...cycle.map((edge) => `T${all[edge.from]!.id} before T${all[edge.to]!.id}: ${reasonOf(edge)}`),
  ];
  return { type, order, transactions, text: lines.join("\n  ") };
}

function reasonOf({ type, key, isPredicate }: Dependency): string {
  if (type === PROCESS) return "the same client did it first";
  if (type === REALTIME) return "it was answered before the other was asked";
  const name = nameOf(key);
  if (type === WW) return `it wrote ${name}, then the other did (ww)`;
  if (type === WR) return `the other read what it wrote to ${name} (wr)`;
  const how = isPredicate ? "read a range without" : "read";
  return `it ${how} ${name} as it was before the other wrote it (rw)`;
}

function nameOf(key: HistoryKey | undefined): string {
  return JSON.stringify(key) ?? "";
}

function orderOf(cycle: readonly Dependency[]): AnomalyOrder {
  if (cycle.some(({ type }) => type === REALTIME)) return "realtime";
  return cycle.some(({ type }) => type === PROCESS) ? "process" : "data";
}

function typeOfCycle(cycle: readonly Dependency[]): AnomalyType {
  const anti = cycle.filter(({ type }) => type === RW);
  if (anti.length === 0) return cycle.some(({ type }) => type === WR) ? "G1c" : "G0";
  if (anti.length === 1) return "G-single";
  if (!hasAdjacent(cycle)) return isLongFork(cycle) ? "long-fork" : "G-nonadjacent";
  if (anti.some(({ isPredicate }) => isPredicate)) return "G2";
  return cycle.length === 2 && cycle[0]!.key !== cycle[1]!.key ? "write-skew" : "G2-item";
}

/** Whether two anti-dependencies follow each other, round the circle. */
function hasAdjacent(cycle: readonly Dependency[]): boolean {
  return cycle.some(({ type }, at) => type === RW && cycle.at(at - 1)!.type === RW);
}

function isLongFork(cycle: readonly Dependency[]): boolean {
  return cycle.length === 4 && cycle.every(({ type }) => type === RW || type === WR);
}
