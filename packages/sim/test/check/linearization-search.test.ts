import { createRandom, type Random } from "@kvs/env";
import { expect, test } from "vitest";
import { LinearizationSearch } from "../../src/check/linearization-search.ts";
import { ANY_CONTENT, IMPOSSIBLE, type Model, type TimedOperation } from "../../src/check/model.ts";
import {
  registerModel,
  type RegisterOperation,
  registerOperations,
} from "../../src/check/register-model.ts";
import { isLinearizableByBruteForce, isLinearizableByLevels } from "./brute-force.ts";
import { drawn } from "./interval-notation.ts";
import { simulate } from "./simulated-registers.ts";

/** An addition, with the sum it answered if it is known; adding 0 is a read. */
interface Addition {
  readonly amount: number;
  readonly sum: number | undefined;
}

/** A counter: its operations do not overwrite each other, and the order shows in the sums only. */
const counterModel: Model<number, Addition> = {
  init: () => 0,
  step(state, { amount, sum }) {
    const after = (state + amount) % 5;
    return sum === undefined || sum === after ? after : IMPOSSIBLE;
  },
  isRead: ({ amount }) => amount === 0,
  key: () => "counter",
  identity: (state) => state,
  content: (state) => state,
  expects: ({ amount, sum }) => (amount === 0 ? { content: sum } : undefined),
  leaves: ({ sum }) => (sum === undefined ? ANY_CONTENT : { content: sum }),
  describe: ({ amount, sum }) => `add ${amount} → ${sum ?? "?"}`,
  describeState: String,
};

test("the search and brute force agree on a counter, whose writes do not commute with reads", () => {
  const random = createRandom(3);
  const counts = { linearizable: 0, violation: 0 };
  for (let round = 0; round < 4000; round++) {
    const operations = drawAdditions(random);
    const isGood = isLinearizableByBruteForce(counterModel, operations);
    const expected = isGood ? "linearizable" : "violation";

    const search = new LinearizationSearch(counterModel, operations, 100_000);

    expect(search.run()).toBe(expected);
    if (isGood) expectToExplain(search, operations);
    counts[expected]++;
  }

  expect(counts.linearizable).toBeGreaterThan(500);
  expect(counts.violation).toBeGreaterThan(500);
});

/** The order found holds all answered operations, breaks no interval and explains each answer. */
function expectToExplain(
  search: LinearizationSearch<number, Addition>,
  operations: readonly TimedOperation<Addition>[],
): void {
  const { order } = search;
  let state: number | typeof IMPOSSIBLE = counterModel.init();
  for (const [at, timed] of order.entries()) {
    if (state !== IMPOSSIBLE) state = counterModel.step(state, timed.operation);
    expect(order.slice(at).every((later) => later.completedAt >= timed.invokedAt)).toBe(true);
  }
  const answered = operations.filter(({ completedAt }) => completedAt !== Infinity);
  expect(order).toEqual(expect.arrayContaining(answered));
  expect(state).toBe(search.state);
}

/** Sums of the additions made in a hidden order, now and then a wrong one. */
function drawAdditions(random: Random): TimedOperation<Addition>[] {
  let sum = 0;
  return Array.from({ length: 1 + random.below(7) }, (_, process) => {
    const amount = random.below(4);
    const isUnknown = amount > 0 && random.chance(0.4);
    const effectAt = process * 3 + random.below(3);
    if (!isUnknown || random.chance(0.5)) sum = (sum + amount) % 5;
    const answer = random.chance(0.12) ? random.below(5) : sum;
    return {
      process,
      operation: { amount, sum: isUnknown ? undefined : answer },
      invokedAt: effectAt - random.below(8),
      completedAt: isUnknown ? Infinity : effectAt + random.below(8),
    };
  });
}

test("the search and a plain memo agree on longer histories", () => {
  const counts = { linearizable: 0, violation: 0 };
  for (let seed = 1; seed <= 250; seed++) {
    const random = createRandom(seed);
    const clients = 2 + random.below(3);
    const events = simulate({ seed, keys: 1, operations: 70, clients, lossRate: 0.08 });
    const operations = withRepeatedValues(registerOperations(events), random);
    const isGood = isLinearizableByLevels(registerModel, operations);

    const verdict = new LinearizationSearch(registerModel, operations, 1_000_000).run();

    expect(verdict).toBe(isGood ? "linearizable" : "violation");
    counts[isGood ? "linearizable" : "violation"]++;
  }

  expect(counts.linearizable).toBeGreaterThan(40);
  expect(counts.violation).toBeGreaterThan(40);
});

/** Folds all values into a few, which keeps a good history good, and then may change one read. */
function withRepeatedValues(
  operations: readonly TimedOperation<RegisterOperation>[],
  random: Random,
): TimedOperation<RegisterOperation>[] {
  const few = 3 + random.below(6);
  const fold = (value: unknown): number | null => (value === null ? null : Number(value) % few);
  const victim = random.below(operations.length * 2);
  return operations.map((timed, at) => {
    const { operation } = timed;
    const value = fold(operation.value);
    if (operation.type === "cas") {
      return { ...timed, operation: { ...operation, value, expected: fold(operation.expected) } };
    }
    const isChanged = operation.type === "read" && at >= victim && at < victim + 3;
    return { ...timed, operation: { ...operation, value: isChanged ? random.below(few) : value } };
  });
}

test("a search that is cut short keeps the order it has", () => {
  const search = new LinearizationSearch(registerModel, drawn("|-w1-| |-w2-| |-r2-|"), 2);

  expect(search.run()).toBe("unknown");
  expect(search.steps).toBe(2);
  expect(search.order.length).toBe(2);
  expect(search.state).toBe(2);
});

test("contents that concurrent writes leave are not overwritten while a read needs them", () => {
  const width = 26;
  const writes = Array.from({ length: width }, (_, at) => `|${"-".repeat(600)}w${at}--|`);
  const reads = Array.from({ length: width }, (_, at) => `|--r${width - 1 - at}--|`).join(" ");

  const search = new LinearizationSearch(
    registerModel,
    drawn([...writes, reads].join("\n")),
    100_000,
  );

  expect(search.run()).toBe("linearizable");
});
