import { createRandom } from "@kvs/env";
import { type Anomaly, checkTransactions, isForbidden } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Isolation } from "../../src/transactions/transaction-options.ts";
import { newStorage, withStore } from "../fixture.ts";
import { makeTransactions, runCrowd } from "./random-history.ts";

interface Judged {
  readonly anomalies: Anomaly[];
  readonly committed: number;
  readonly conflicts: number;
  readonly leftovers: string[];
}

/** Runs crowds at a level, from seeds, and collects what their histories show. */
async function judge(
  isolation: Isolation,
  seeds: number,
  mutants: readonly string[] = [],
): Promise<Judged> {
  const anomalies: Anomaly[] = [];
  const leftovers: string[] = [];
  let committed = 0;
  let conflicts = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const random = createRandom(seed);
    const mode = random.chance(0.5) ? "pessimistic" : "optimistic";
    const options = { isolation, mode, lockTimeoutMs: 1e6 } as const;
    const world = { hooks: { hasMutant: (name: string) => mutants.includes(name) } };
    await withStore(
      newStorage(seed),
      async (store, environment) => {
        const transactions = makeTransactions(environment, store);
        const shape = { workers: 2 + random.below(6), rounds: 25, keys: 2 + random.below(5) };
        const history = await runCrowd(transactions, {
          random,
          options,
          ...shape,
          withRanges: true,
        });
        anomalies.push(...checkTransactions(history).anomalies);
        const stats = transactions.stats();
        committed += stats.committed;
        conflicts += stats.conflicts;
        if (stats.open + stats.locks + stats.waits > 0) leftovers.push(JSON.stringify(stats));
        transactions.close();
      },
      { world },
    );
  }
  return { anomalies, committed, conflicts, leftovers };
}

const forbidden = (
  anomalies: readonly Anomaly[],
  level: Parameters<typeof isForbidden>[1],
): string[] => anomalies.filter((anomaly) => isForbidden(anomaly, level)).map(({ text }) => text);

test("serializable transactions show no anomaly, real time included", async () => {
  const { anomalies, committed, conflicts, leftovers } = await judge("serializable", 40);
  expect(forbidden(anomalies, "strict-serializable")).toEqual([]);
  expect(committed).toBeGreaterThan(800);
  expect(conflicts).toBeGreaterThan(100);
  expect(leftovers).toEqual([]);
});

test("snapshot transactions show write skew, and nothing worse", async () => {
  const { anomalies, leftovers } = await judge("snapshot", 30);
  expect(forbidden(anomalies, "snapshot")).toEqual([]);
  expect(anomalies.map(({ type }) => type)).toContain("write-skew");
  expect(leftovers).toEqual([]);
});

test("read-committed transactions show what they may, and neither dirty writes nor dirty reads", async () => {
  const { anomalies, leftovers } = await judge("read-committed", 30);
  expect(forbidden(anomalies, "read-committed")).toEqual([]);
  const types = anomalies.map(({ type }) => type);
  for (const type of ["unrepeatable-read", "lost-update", "G-single"])
    expect(types).toContain(type);
  expect(leftovers).toEqual([]);
});

for (const [mutant, isolation] of [
  ["txn.skip-point-validation", "serializable"],
  ["txn.skip-range-validation", "serializable"],
  ["txn.skip-write-check", "snapshot"],
  ["txn.refresh-without-check", "snapshot"],
  ["txn.drop-in-flight", "serializable"],
] as const) {
  test(`the judge finds the sabotage ${mutant}`, async () => {
    const { anomalies } = await judge(isolation, 20, [mutant]);
    const level = isolation === "serializable" ? "strict-serializable" : isolation;
    expect(forbidden(anomalies, level).length).toBeGreaterThan(0);
  });
}
