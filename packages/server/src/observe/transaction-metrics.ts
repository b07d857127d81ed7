import { type TransactionFigures } from "@kvs/protocol";
import { type Metrics } from "./metrics.ts";

/** Adds what transactions do, in this process and for clients alike, to the metrics of a server. */
export function addTransactionMetrics(registry: Metrics, figures: () => TransactionFigures): void {
  registry.gauge("kvs_transactions", "Transactions that are open.", () => figures().open);
  registry.gauge(
    "kvs_transaction_oldest_seconds",
    "Age of the oldest open transaction; 0 if there is none.",
    () => figures().oldestMs / 1000,
  );
  registry.gauge("kvs_locks", "Keys that are locked.", () => figures().locks);
  registry.gauge("kvs_lock_waits", "Calls that wait for a lock.", () => figures().waits);
  const total = (name: string, help: string, read: (all: TransactionFigures) => number): void =>
    registry.total(name, help, () => read(figures()));
  total("kvs_transactions_committed_total", "Transactions committed.", (all) => all.committed);
  total(
    "kvs_transactions_rolled_back_total",
    "Transactions that ended without being committed.",
    (all) => all.rolledBack,
  );
  total(
    "kvs_transaction_conflicts_total",
    "Transactions that found something changed by another.",
    (all) => all.conflicts,
  );
  total("kvs_deadlocks_total", "Deadlocks found, and ended.", (all) => all.deadlocks);
}
