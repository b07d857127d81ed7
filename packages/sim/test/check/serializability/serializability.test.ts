import { expect, test } from "vitest";
import { type Random, createRandom, pick } from "@kvs/env";
import { type MicroOperation, type HistoryValue } from "../../../src/check/history.ts";
import { type AnomalyType, isForbidden } from "../../../src/check/serializability/anomaly.ts";
import { hasSerialOrder } from "./serial-search.ts";
import { checkTransactions } from "../../../src/check/serializability/serializability.ts";
import { type Transaction } from "../../../src/check/serializability/transaction.ts";
import { KNOWN_HISTORIES } from "./known-histories.ts";
import { transactions } from "./transaction-notation.ts";

function typesOf(text: string): AnomalyType[] {
  return checkTransactions(transactions(text)).anomalies.map(({ type }) => type);
}

for (const [type, { bad, good }] of Object.entries(KNOWN_HISTORIES)) {
  test(`${type} is found where it is, and only there`, () => {
    expect(bad.length).toBeGreaterThanOrEqual(3);
    expect(good.length).toBeGreaterThanOrEqual(3);
    for (const text of bad) expect(typesOf(text), text).toContain(type);
    for (const text of good) expect(typesOf(text), text).not.toContain(type);
  });
}

const KEYS = ["x", "y", "z"];

/** A store of lists that runs transactions one after the other, or each on a snapshot. */
class ListStore {
  readonly lists = new Map<string, HistoryValue[]>();
  #next = 1;

  /** What a transaction does that sees these lists and, of its own, what it appended. */
  draw(random: Random, seen: ReadonlyMap<string, readonly HistoryValue[]>): MicroOperation[] {
    const own = new Map<string, HistoryValue[]>();
    return Array.from({ length: 1 + random.below(4) }, (): MicroOperation => {
      const key = pick(random, KEYS);
      const appended = own.get(key) ?? [];
      if (random.chance(0.5)) return ["r", key, [...(seen.get(key) ?? []), ...appended]];
      const value = this.#next++;
      own.set(key, [...appended, value]);
      return ["append", key, value];
    });
  }

  apply(operations: readonly MicroOperation[]): void {
    for (const [kind, key, value] of operations) {
      if (kind !== "append") continue;
      this.lists.set(String(key), [...(this.lists.get(String(key)) ?? []), value]);
    }
  }

  copy(): Map<string, HistoryValue[]> {
    return new Map(this.lists);
  }
}

function transaction(id: number, operations: MicroOperation[], at: number): Transaction {
  const times = { invokedAt: at, completedAt: at + 5 };
  return { id, process: id % 4, ...times, outcome: "ok", operations };
}

test("transactions one after the other are strictly serializable, whoever asked for them", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = createRandom(seed);
    const store = new ListStore();
    const history: Transaction[] = [];
    for (let id = 0; id < 60; id++) {
      const operations = store.draw(random, store.lists);
      store.apply(operations);
      history.push(transaction(id, operations, id * 10));
    }
    expect(checkTransactions(history)).toMatchObject({
      anomalies: [],
      level: "strict-serializable",
    });
  }
});

test("first-committer-wins on snapshots shows write skew, and nothing that snapshots forbid", () => {
  const seen = new Set<AnomalyType>();
  for (let seed = 1; seed <= 60; seed++) {
    const random = createRandom(seed);
    const store = new ListStore();
    const lastWriter = new Map<string, number>();
    const open: { operations: MicroOperation[]; begun: number; id: number }[] = [];
    const history: Transaction[] = [];
    for (let step = 0; step < 120; step++) {
      if (open.length < 3)
        open.push({ operations: store.draw(random, store.copy()), begun: step, id: step });
      if (random.chance(0.5)) continue;
      const [done] = open.splice(random.below(open.length), 1);
      const keys = done!.operations.flatMap(([kind, key]) =>
        kind === "append" ? [String(key)] : [],
      );
      if (keys.some((key) => (lastWriter.get(key) ?? -1) >= done!.begun)) continue;
      store.apply(done!.operations);
      for (const key of keys) lastWriter.set(key, step);
      const { id, operations, begun } = done!;
      const times = { invokedAt: begun * 10, completedAt: step * 10 + 5 };
      history.push({ id, process: 100 + id, ...times, outcome: "ok", operations });
    }
    const sorted = history.toSorted((a, b) => a.invokedAt - b.invokedAt);
    const { anomalies } = checkTransactions(sorted);
    for (const anomaly of anomalies) {
      seen.add(anomaly.type);
      expect(isForbidden(anomaly, "snapshot"), anomaly.text).toBe(false);
    }
  }
  expect(seen).toContain("write-skew");
});

test("a history is called serializable only if some order explains it, and the other way round", () => {
  let good = 0;
  let bad = 0;
  for (let seed = 1; seed <= 1500; seed++) {
    const random = createRandom(seed);
    const store = new ListStore();
    const before = [store.copy()];
    const history: Transaction[] = [];
    for (let id = 0; id < 4; id++) {
      const operations = store.draw(random, pick(random, before));
      store.apply(operations);
      before.push(store.copy());
      history.push({ ...transaction(id, operations, 0), completedAt: 100, process: id });
    }
    const reads = KEYS.map((key): MicroOperation => ["r", key, store.lists.get(key) ?? []]);
    history.push({ ...transaction(4, reads, 0), completedAt: 100, process: 9 });
    const { anomalies } = checkTransactions(history);
    const isSerializable = !anomalies.some((anomaly) => isForbidden(anomaly, "serializable"));
    expect(isSerializable, `seed ${seed}`).toBe(hasSerialOrder(history));
    if (isSerializable) good++;
    else bad++;
  }
  expect(Math.min(good, bad)).toBeGreaterThan(200);
});

test("what only real time forbids is told apart", () => {
  const stale = transactions("0-10: a x 1 \n 20-30: r x - \n 40-50: r x 1");
  const { anomalies, level } = checkTransactions(stale);
  expect(anomalies).toMatchObject([{ type: "G-single", order: "realtime" }]);
  expect(level).toBe("serializable");
  const own = transactions("p1 0-10: a x 1 \n p1 5-30: r x - \n 0-50: r x 1");
  expect(checkTransactions(own).anomalies).toMatchObject([{ order: "process" }]);
});

test("an answer tells the cycle: who did what, and why one comes before the other", () => {
  const { anomalies } = checkTransactions(transactions("w x 1; w y 1 \n g x -; g y 1"));
  expect(anomalies.map(({ text }) => text)).toMatchInlineSnapshot(`
    [
      "G-single: 2 transactions in a circle
      T1 (process 1001): read("x") = null read("y") = 1
      T0 (process 1000): write("x", 1) write("y", 1)
      T1 before T0: it read "x" as it was before the other wrote it (rw)
      T0 before T1: the other read what it wrote to "y" (wr)",
    ]
  `);
});

test("the smallest of several cycles is shown", () => {
  const long = "a x 1 \n r x 1; a y 1 \n r y 1; a z 1 \n r z 1; r x -";
  const short = "a u 1; a v 1 \n r u -; r v 1";
  const { anomalies } = checkTransactions(transactions(`${long} \n ${short}`));
  const single = anomalies.find(({ type }) => type === "G-single")!;
  expect(single.transactions).toHaveLength(2);
});

test("a long history without anomalies is judged in linear time and memory", () => {
  const random = createRandom(1);
  const store = new ListStore();
  const history: Transaction[] = [];
  for (let id = 0; id < 5000; id++) {
    if (id % 40 === 0) store.lists.clear();
    const key = `k${Math.floor(id / 40)}`;
    const list = store.lists.get(key) ?? [];
    const operations: MicroOperation[] = [["r", key, list]];
    if (random.chance(0.7)) operations.push(["append", key, id + 1]);
    store.apply(operations);
    history.push(transaction(id, operations, id * 10));
  }
  const { anomalies, transactionCount } = checkTransactions(history);
  expect(anomalies).toEqual([]);
  expect(transactionCount).toBe(5000);
});
