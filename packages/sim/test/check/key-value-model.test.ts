import { createRandom, pick, type Random } from "@kvs/env";
import { expect, test } from "vitest";
import {
  keyValueModel,
  type KeyValueOperation,
  type KeyValueState,
} from "../../src/check/key-value-model.ts";
import { checkLinearizability } from "../../src/check/linearizability.ts";
import { IMPOSSIBLE, type TimedOperation } from "../../src/check/model.ts";
import { isLinearizableByBruteForce } from "./brute-force.ts";

/** Operations without their key, one after the other; `IMPOSSIBLE` as soon as one is. */
function run(...operations: readonly WithoutKey<KeyValueOperation>[]): Stepped {
  let state: Stepped = keyValueModel.init();
  for (const operation of operations) {
    if (state === IMPOSSIBLE) return IMPOSSIBLE;
    state = keyValueModel.step(state, { ...operation, key: "k" });
  }
  return state;
}

type Stepped = KeyValueState | typeof IMPOSSIBLE;
type WithoutKey<T> = T extends unknown ? Omit<T, "key"> : never;

test("a put is seen by a get, with its version", () => {
  expect(
    run({ type: "put", value: "a", version: 3 }, { type: "get", value: "a", version: 3 }),
  ).toEqual({ value: "a", version: 3, newest: 3 });
  expect(run({ type: "get", value: undefined })).toEqual(keyValueModel.init());
  expect(run({ type: "get", value: "a" })).toBe(IMPOSSIBLE);
  expect(
    run({ type: "put", value: "a", version: 3 }, { type: "get", value: "a", version: 4 }),
  ).toBe(IMPOSSIBLE);
});

test("versions grow, even over a delete", () => {
  const put = { type: "put", value: "a", version: 5 } as const;

  expect(run(put, { type: "put", value: "b", version: 5 })).toBe(IMPOSSIBLE);
  expect(run(put, { type: "delete" }, { type: "put", value: "b", version: 4 })).toBe(IMPOSSIBLE);
  expect(run(put, { type: "delete" }, { type: "put", value: "b", version: 6 })).toEqual({
    value: "b",
    version: 6,
    newest: 6,
  });
});

test("a condition must hold, and one that is refused must not", () => {
  const put = { type: "put", value: "a", version: 5 } as const;
  const next = { type: "put", value: "b", version: 6 } as const;

  expect(run(put, { ...next, ifVersion: 5 })).toMatchObject({ value: "b" });
  expect(run(put, { ...next, ifVersion: 4 })).toBe(IMPOSSIBLE);
  expect(run(put, { ...next, ifVersion: 0 })).toBe(IMPOSSIBLE);
  expect(run({ ...next, ifVersion: 0 })).toMatchObject({ value: "b" });
  expect(run(put, { ...next, ifVersion: 4, isRefused: true })).toMatchObject({ value: "a" });
  expect(run(put, { ...next, ifVersion: 5, isRefused: true })).toBe(IMPOSSIBLE);
  expect(run(put, { ...next, isRefused: true })).toBe(IMPOSSIBLE);
  expect(run(put, { type: "delete", ifVersion: 5, existed: true })).toMatchObject({ version: 0 });
  expect(run({ type: "delete", existed: true })).toBe(IMPOSSIBLE);
  expect(run({ type: "delete", existed: false })).toMatchObject({ version: 0 });
});

test("a version nobody saw yet is learnt from the first answer that names it", () => {
  const first = { type: "put", value: "a", version: 5 } as const;
  const unseen = { type: "put", value: "b" } as const;

  expect(run(first, unseen)).toEqual({ value: "b", version: undefined, newest: 5 });
  expect(run(first, unseen, { type: "get", value: "b" })).toMatchObject({ version: undefined });
  expect(run(first, unseen, { type: "get", value: "b", version: 9 })).toMatchObject({
    version: 9,
    newest: 9,
  });
  expect(run(first, unseen, { type: "get", value: "b", version: 5 })).toBe(IMPOSSIBLE);
  expect(run(first, unseen, { type: "put", value: "c", ifVersion: 7, version: 8 })).toMatchObject({
    version: 8,
  });
  expect(run(first, unseen, { type: "put", value: "c", ifVersion: 5, version: 8 })).toBe(
    IMPOSSIBLE,
  );
  expect(run(unseen, { type: "delete", ifVersion: 3, isRefused: true })).toMatchObject({
    value: "b",
  });
});

function describe(operation: WithoutKey<KeyValueOperation>): string {
  return keyValueModel.describe({ ...operation, key: "k" });
}

test("operations and states are described in a few words", () => {
  expect(describe({ type: "get", value: "a", version: 3 })).toBe('get → "a" at version 3');
  expect(describe({ type: "get", value: undefined })).toBe("get → absent");
  expect(describe({ type: "put", value: 1, version: 3, ifVersion: 0 })).toBe(
    "put 1 if version 0 → 3",
  );
  expect(describe({ type: "put", value: 1, ifVersion: 2, isRefused: true })).toBe(
    "put 1 if version 2 → refused",
  );
  expect(describe({ type: "delete", existed: false })).toBe("delete → false");
  expect(describe({ type: "delete" })).toBe("delete");
  expect(keyValueModel.describeState(keyValueModel.init())).toBe("absent");
  expect(keyValueModel.describeState({ value: "a", version: undefined, newest: 1 })).toBe(
    '"a" at version ?',
  );
});

test("the search and brute force agree on small random histories", () => {
  const random = createRandom(7);
  const counts = { linearizable: 0, violation: 0 };
  for (let round = 0; round < 4000; round++) {
    const operations = drawHistory(random);
    const isGood = isLinearizableByBruteForce(keyValueModel, operations);
    const expected = isGood ? "linearizable" : "violation";

    expect(checkLinearizability(keyValueModel, operations).verdict).toBe(expected);

    counts[expected]++;
  }

  expect(counts.linearizable).toBeGreaterThan(500);
  expect(counts.violation).toBeGreaterThan(500);
});

function drawHistory(random: Random): TimedOperation<KeyValueOperation>[] {
  const horizon = 2 + random.below(12);
  return Array.from({ length: 1 + random.below(6) }, (_, process) => {
    const invokedAt = random.below(horizon);
    const isUnknown = random.chance(0.3);
    const completedAt = isUnknown ? Infinity : invokedAt + random.below(horizon);
    const operation = drawOperation(random, isUnknown);
    return { process, operation, invokedAt, completedAt };
  });
}

function drawOperation(random: Random, isUnknown: boolean): KeyValueOperation {
  const value = pick(random, ["a", "b"]);
  const ifVersion = random.chance(0.4) ? random.below(3) : undefined;
  const version = isUnknown || random.chance(0.5) ? undefined : 1 + random.below(3);
  const isRefused = ifVersion !== undefined && !isUnknown && random.chance(0.3);
  const existed = isUnknown ? undefined : random.chance(0.5);
  const key = "k";
  const kind = random.below(5);
  if (kind < 2) return { type: "put", key, value, ifVersion, version, isRefused };
  if (kind < 3) return { type: "delete", key, ifVersion, existed, isRefused };
  const isAbsent = random.chance(0.3);
  return isAbsent ? { type: "get", key, value: undefined } : { type: "get", key, value, version };
}
