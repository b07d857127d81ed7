import { type DependencyGraph, PROCESS, REALTIME } from "./dependency-graph.ts";
import { type Transaction } from "./transaction.ts";

/** Adds that each client did one transaction after the other. */
export function addProcessOrder(
  graph: DependencyGraph,
  transactions: readonly Transaction[],
): void {
  const last = new Map<number, number>();
  for (const [node, { process }] of transactions.entries()) {
    const before = last.get(process);
    if (before !== undefined) addPlain(graph, before, node, PROCESS);
    last.set(process, node);
  }
}

/**
 * Adds that a transaction was answered before another was asked. Only what does not follow from the
 * rest is added: of those answered, the ones that no other answered one came after.
 *
 * @param transactions In order of invocation.
 *
 * Cost: for each transaction as many dependencies as were concurrent.
 */
export function addRealTimeOrder(
  graph: DependencyGraph,
  transactions: readonly Transaction[],
): void {
  const byEnd = transactions
    .map((_, node) => node)
    .filter((node) => transactions[node]!.outcome === "ok")
    .toSorted((a, b) => transactions[a]!.completedAt - transactions[b]!.completedAt);
  let frontier: number[] = [];
  let ended = 0;
  for (const [node, { invokedAt }] of transactions.entries()) {
    for (; ended < byEnd.length; ended++) {
      const done = byEnd[ended]!;
      if (transactions[done]!.completedAt >= invokedAt) break;
      const begun = transactions[done]!.invokedAt;
      frontier = frontier.filter((other) => transactions[other]!.completedAt >= begun);
      frontier.push(done);
    }
    for (const before of frontier) addPlain(graph, before, node, REALTIME);
  }
}

// oxlint-disable-next-line eslint/max-params -- an edge without a key
function addPlain(graph: DependencyGraph, from: number, to: number, type: number): void {
  graph.add({ from, to, type, key: undefined, isPredicate: false });
}
