import { type HistoryKey, type HistoryValue } from "../history.ts";
import { type Anomaly, type AnomalyType, plainAnomaly } from "./anomaly.ts";
import { DependencyGraph, RW, WR, WW } from "./dependency-graph.ts";
import { type Transaction, versionName } from "./transaction.ts";

/** Anomalies of one type that are described; more say nothing new. */
const DESCRIBED_MAX = 20;

/** Who wrote a version of a key. */
export interface Writer {
  readonly node: number;
  /** Whether it wrote no later version of the key itself. */
  readonly isFinal: boolean;
}

/** Collects what the reads and writes of a history say about its transactions. */
export class Inference {
  readonly transactions: readonly Transaction[];
  readonly graph: DependencyGraph;
  readonly #anomalies: Anomaly[] = [];
  readonly #counts = new Map<AnomalyType, number>();
  readonly #writers = new Map<string, Writer>();

  constructor(transactions: readonly Transaction[]) {
    this.transactions = transactions;
    this.graph = new DependencyGraph(transactions.length);
    for (const [node, transaction] of transactions.entries()) this.#noteWrites(node, transaction);
  }

  get anomalies(): readonly Anomaly[] {
    return this.#anomalies;
  }

  /** Who wrote this; `undefined`: nobody. */
  writerOf(key: HistoryKey, value: HistoryValue): Writer | undefined {
    return this.#writers.get(versionName(key, value));
  }

  /** Notes an anomaly that the transactions at these places show. */
  report(type: AnomalyType, nodes: readonly number[], what: string): void {
    const count = (this.#counts.get(type) ?? 0) + 1;
    this.#counts.set(type, count);
    if (count > DESCRIBED_MAX) return;
    this.#anomalies.push(
      plainAnomaly(
        type,
        nodes.map((node) => this.transactions[node]!),
        what,
      ),
    );
  }

  /**
   * Judges one value that a transaction read, and notes who wrote it.
   *
   * @returns the writer, unless it is nobody that can be depended on.
   */
  judgeRead(node: number, key: HistoryKey, value: HistoryValue): Writer | undefined {
    const text = `${JSON.stringify(value)} of ${JSON.stringify(key)}`;
    const writer = this.writerOf(key, value);
    if (writer === undefined) {
      this.report("never-written", [node], `nobody wrote ${text}`);
      return undefined;
    }
    if (writer.node === node) return undefined;
    const { outcome } = this.transactions[writer.node]!;
    if (outcome === "fail") {
      this.report("G1a", [node, writer.node], `it read ${text}, which did not happen`);
      return undefined;
    }
    return writer;
  }

  /** The reader depends on the writer of the version that it read. */
  addWriteRead(writer: number, reader: number, key: HistoryKey): void {
    this.graph.add({ from: writer, to: reader, type: WR, key, isPredicate: false });
  }

  addWriteWrite(before: number, after: number, key: HistoryKey): void {
    this.graph.add({ from: before, to: after, type: WW, key, isPredicate: false });
  }

  // oxlint-disable-next-line eslint/max-params -- an edge of a graph
  addReadWrite(reader: number, writer: number, key: HistoryKey, isPredicate = false): void {
    this.graph.add({ from: reader, to: writer, type: RW, key, isPredicate });
  }

  /** Whether its effects count: it happened, or may have. */
  mayHaveHappened(node: number): boolean {
    return this.transactions[node]!.outcome !== "fail";
  }

  #noteWrites(node: number, { operations }: Transaction): void {
    const last = new Map<HistoryKey, string>();
    for (const [kind, key, value] of operations) {
      if (kind !== "w" && kind !== "append") continue;
      const name = versionName(key, value);
      const before = last.get(key);
      if (before !== undefined) this.#writers.set(before, { node, isFinal: false });
      this.#writers.set(name, { node, isFinal: true });
      last.set(key, name);
    }
  }
}
