import { createRandom, type Random } from "@kvs/env";
import { expect, test } from "vitest";
import { HistoryRecorder } from "../../src/check/history-recorder.ts";
import {
  checkSet,
  SET_ANOMALIES_MAX,
  type SetOperation,
  setOperations,
} from "../../src/check/set-checker.ts";

type Operation = SetOperation<number>;

const add = (element: number, invokedAt: number, completedAt = Infinity): Operation => ({
  type: "add",
  element,
  invokedAt,
  completedAt,
});
const failedAdd = (element: number, invokedAt: number, completedAt: number): Operation => ({
  type: "add",
  element,
  invokedAt,
  completedAt,
  hasFailed: true,
});
const read = (elements: readonly number[], invokedAt: number, completedAt: number): Operation => ({
  type: "read",
  elements,
  invokedAt,
  completedAt,
});

test.each<[string, Operation[]]>([
  ["no operation", []],
  ["an acknowledged element in every later read", [add(1, 0, 1), read([1], 2, 3), read([1], 4, 5)]],
  ["a read beside an add that does not see it yet", [add(1, 0, 5), read([], 1, 6)]],
  ["a read beside an add that sees it already", [add(1, 0, 5), read([1], 1, 2), read([1], 3, 4)]],
  ["an unknown add that never shows", [add(1, 0), read([], 5, 6)]],
  ["an unknown add that shows late, and stays", [add(1, 0), read([], 5, 6), read([1], 7, 8)]],
  ["a failed add that does not show", [failedAdd(1, 0, 1), read([], 2, 3)]],
  ["concurrent reads that disagree", [add(1, 0, 9), read([1], 1, 5), read([], 2, 6)]],
])("%s: valid", (_name, operations) => {
  expect(checkSet(operations)).toMatchObject({ verdict: "valid", anomalyCount: 0, anomalies: [] });
});

test.each<[string, Operation[], string[]]>([
  ["an acknowledged element is missing", [add(1, 0, 1), read([], 2, 3)], ["lost 1"]],
  [
    "an element goes and comes back",
    [add(1, 0, 1), read([1], 2, 3), read([], 4, 5), read([1], 6, 7)],
    ["lost 1"],
  ],
  [
    "an unknown element that was read is missing later",
    [add(1, 0), read([1], 2, 3), read([], 4, 5)],
    ["lost 1"],
  ],
  ["an element nobody added", [read([7], 0, 1)], ["never-added 7"]],
  ["an element that is added later", [read([1], 0, 1), add(1, 2, 3)], ["never-added 1"]],
  ["a failed add shows", [failedAdd(1, 0, 1), read([1], 2, 3)], ["failed-add 1"]],
  [
    "a failed add shows, and rightly goes",
    [failedAdd(1, 0, 1), read([1], 2, 3), read([], 4, 5)],
    ["failed-add 1"],
  ],
  ["an element twice", [add(1, 0, 1), read([1, 1], 2, 3)], ["duplicate 1"]],
  [
    "several in one read",
    [add(1, 0, 1), add(2, 0, 1), add(3, 0, 1), read([9, 2, 2], 2, 3)],
    ["never-added 9", "duplicate 2", "lost 1", "lost 3"],
  ],
])("%s: a violation", (_name, operations, expected) => {
  const result = checkSet(operations);

  expect(result.verdict).toBe("violation");
  expect(result.anomalies.map(({ type, element }) => `${type} ${element}`)).toEqual(expected);
  expect(result.anomalyCount).toBe(expected.length);
});

test("each anomaly has a sentence", () => {
  const { anomalies } = checkSet([
    add(1, 0, 1),
    add(2, 0, 1),
    failedAdd(3, 0, 1),
    read([2, 2, 3, 4], 5, 6),
  ]);

  expect(anomalies.map(({ text }) => text)).toEqual([
    "element 2 shows twice in the read invoked at 5",
    "element 3 shows although its add failed in the read invoked at 5",
    "element 4 shows before anyone added it in the read invoked at 5",
    "element 1 was there before and is missing in the read invoked at 5",
  ]);
});

test("adds and reads are counted, and so are all anomalies", () => {
  const adds = Array.from({ length: 100 }, (_, element) => add(element, 0, 1));

  const result = checkSet([...adds, add(100, 0), add(101, 0), read([100], 2, 3)]);

  expect(result).toMatchObject({
    readCount: 1,
    acknowledgedCount: 100,
    recoveredCount: 1,
    anomalyCount: 100,
  });
  expect(result.anomalies.length).toBe(SET_ANOMALIES_MAX);
});

test("the checker agrees with the definition on random histories", () => {
  const random = createRandom(11);
  const counts = { valid: 0, violation: 0 };
  for (let round = 0; round < 3000; round++) {
    const operations = drawHistory(random);
    const { verdict } = checkSet(operations);

    expect(verdict).toBe(isValidByDefinition(operations) ? "valid" : "violation");

    counts[verdict]++;
  }
  expect(counts.valid).toBeGreaterThan(300);
  expect(counts.violation).toBeGreaterThan(300);
});

function drawHistory(random: Random): Operation[] {
  const operations: Operation[] = [];
  for (let element = 0; element < 1 + random.below(3); element++) {
    const from = random.below(10);
    const to = from + random.below(5);
    const fate = random.below(6);
    if (fate === 0) operations.push(failedAdd(element, from, to));
    else operations.push(add(element, from, fate === 1 ? Infinity : to));
  }
  for (let count = random.below(4); count > 0; count--) {
    const from = random.below(15);
    const elements = [0, 1, 2].filter(() => random.chance(from / 15));
    if (random.chance(0.05)) elements.push(0);
    operations.push(read(elements, from, from + random.below(5)));
  }
  return operations;
}

/** Every pair of operations, as the rules say; quadratic. */
function isValidByDefinition(operations: readonly Operation[]): boolean {
  const reads = operations.filter((operation) => operation.type === "read");
  const adds = operations.filter((operation) => operation.type === "add");
  return reads.every(({ elements, invokedAt, completedAt }) => {
    const isEachAddedOnce = elements.every((element, at) => {
      const source = adds.find((candidate) => candidate.element === element);
      if (source === undefined || source.hasFailed === true) return false;
      return source.invokedAt <= completedAt && elements.indexOf(element) === at;
    });
    const isNothingLost = adds.every((source) => {
      if (source.hasFailed === true || elements.includes(source.element)) return true;
      const wasRead = reads.some(
        (other) => other.completedAt < invokedAt && other.elements.includes(source.element),
      );
      return source.completedAt >= invokedAt && !wasRead;
    });
    return isEachAddedOnce && isNothingLost;
  });
}

test("an append history of one list is a set history", () => {
  const recorder = new HistoryRecorder();
  const ask = (): number => recorder.newProcess();
  recorder.invoke(ask(), 1, { f: "txn", value: [["r", "s", null]] }).ok(2);
  recorder.invoke(ask(), 3, { f: "txn", value: [["append", "s", 1]] }).ok(4);
  recorder.invoke(ask(), 5, { f: "txn", value: [["append", "s", 2]] }).info(6);
  recorder.invoke(ask(), 7, { f: "txn", value: [["append", "s", 3]] }).fail(8);
  recorder.invoke(ask(), 9, { f: "txn", value: [["append", "other", 4]] }).ok(10);
  recorder.invoke(ask(), 11, { f: "read", value: ["s", null] }).ok(12);
  recorder.invoke(ask(), 13, { f: "txn", value: [["w", "s", 4]] }).ok(14);
  recorder.invoke(ask(), 15, { f: "txn", value: [["r", "s", null]] }).fail(16);
  recorder
    .invoke(ask(), 17, {
      f: "txn",
      value: [
        ["append", "s", 5],
        ["append", "s", 6],
      ],
    })
    .ok(18);
  recorder.invoke(ask(), 19, { f: "txn", value: [["r", "s", null]] }).ok(20, [["r", "s", [1, 2]]]);

  const operations = setOperations(recorder.events, "s");

  expect(operations).toEqual([
    { type: "read", elements: [], invokedAt: 0, completedAt: 1 },
    { type: "add", element: 1, invokedAt: 2, completedAt: 3, hasFailed: false },
    { type: "add", element: 3, invokedAt: 6, completedAt: 7, hasFailed: true },
    { type: "read", elements: [1, 2], invokedAt: 18, completedAt: 19 },
    { type: "add", element: 2, invokedAt: 4, completedAt: Infinity, hasFailed: false },
  ]);
  expect(checkSet(operations)).toMatchObject({ verdict: "valid", recoveredCount: 1 });
});

test("a read of a set that is no list is refused", () => {
  const event = { process: 0, f: "txn" } as const;

  expect(() =>
    setOperations(
      [
        { ...event, index: 0, time: 0, type: "invoke", value: [["r", "s", null]] },
        { ...event, index: 1, time: 1, type: "ok", value: [["r", "s", 5]] },
      ],
      "s",
    ),
  ).toThrow("line 2: a read of a set sees a list");
});
