import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import {
  REPLAY_VIOLATIONS_MAX,
  replayTimestamps,
  type TimestampedCommit,
  type TimestampedRead,
} from "../../src/check/timestamp-replay.ts";

type Commit = TimestampedCommit<string>;
type Read = TimestampedRead<string>;

const commits: readonly Commit[] = [
  { timestamp: 20, writes: [["x", "b"]], invokedAt: 3, acknowledgedAt: 4 },
  {
    timestamp: 10,
    writes: [
      ["x", "a"],
      ["y", "a"],
    ],
    invokedAt: 1,
    acknowledgedAt: 2,
  },
  { timestamp: 30, writes: [["x", undefined]] },
];

test("reads that saw what the commits up to their timestamps left are right", () => {
  const reads: readonly Read[] = [
    { timestamp: 30, key: "x", value: undefined },
    { timestamp: 9, key: "x", value: undefined },
    { timestamp: 10, key: "x", value: "a" },
    { timestamp: 19, key: "x", value: "a" },
    { timestamp: 20, key: "x", value: "b", invokedAt: 5, acknowledgedAt: 6 },
    { timestamp: 99, key: "y", value: "a" },
  ];

  expect(replayTimestamps(commits, reads)).toEqual({ violationCount: 0, violations: [] });
});

test("a read that saw something else is told apart from what was there", () => {
  const reads: readonly Read[] = [
    { timestamp: 19, key: "x", value: "b" },
    { timestamp: 31, key: "x", value: "b" },
    { timestamp: 5, key: "y", value: "a" },
    { timestamp: 20, key: "y", value: undefined },
  ];

  const { violations } = replayTimestamps(commits, reads);

  expect(violations).toEqual([
    {
      type: "wrong-value",
      text: 'a read of key "y" at 5 saw "a", but it was never written before',
    },
    { type: "wrong-value", text: 'a read of key "x" at 19 saw "b", but the commit at 10 left "a"' },
    {
      type: "wrong-value",
      text: 'a read of key "y" at 20 saw nothing, but the commit at 10 left "a"',
    },
    {
      type: "wrong-value",
      text: 'a read of key "x" at 31 saw "b", but the commit at 30 left nothing',
    },
  ]);
});

test("two commits of one timestamp may not write one key", () => {
  const twins: readonly Commit[] = [
    { timestamp: 1, writes: [["x", "a"]] },
    { timestamp: 1, writes: [["y", "a"]] },
    { timestamp: 1, writes: [["x", "b"]] },
  ];

  const { violations } = replayTimestamps(twins, []);

  expect(violations).toEqual([
    { type: "ambiguous-order", text: 'key "x" is written twice at timestamp 1' },
  ]);
});

const at = (timestamp: number, invokedAt: number, acknowledgedAt?: number): Commit => ({
  timestamp,
  writes: [],
  invokedAt,
  ...(acknowledgedAt === undefined ? {} : { acknowledgedAt }),
});
const readAt = (timestamp: number, invokedAt: number, acknowledgedAt: number): Read => ({
  timestamp,
  key: "x",
  value: undefined,
  invokedAt,
  acknowledgedAt,
});

test.each<[string, Commit[], Read[], number]>([
  ["commits in order", [at(1, 0, 1), at(2, 2, 3)], [], 0],
  ["concurrent commits in either order", [at(5, 0, 3), at(2, 2, 3), at(4, 3, 9)], [], 0],
  ["a commit from the past", [at(5, 0, 1), at(4, 2, 3)], [], 1],
  ["a commit at the same timestamp", [at(5, 0, 1), at(5, 2, 3)], [], 1],
  ["a commit that was never acknowledged binds nobody", [at(5, 0), at(4, 2, 3)], [], 0],
  ["a commit that was never acknowledged is itself bound", [at(5, 0, 1), at(4, 2)], [], 1],
  ["every commit after the newest one counts", [at(9, 0, 1), at(5, 2, 3), at(6, 4, 5)], [], 2],
  ["a fresh read", [at(5, 0, 1)], [readAt(5, 2, 3)], 0],
  ["a stale read", [at(5, 0, 1)], [readAt(4, 2, 3)], 1],
  ["a commit below a snapshot that was read", [at(5, 4, 6)], [readAt(5, 2, 3)], 1],
  ["snapshots that go back", [], [readAt(5, 0, 1), readAt(4, 2, 3)], 1],
])("%s: as many violations of real time as there are", (_name, given, reads, count) => {
  const result = replayTimestamps(given, reads);

  expect(result.violationCount).toBe(count);
  expect(result.violations.every(({ type }) => type === "real-time")).toBe(true);
});

test("a violation of real time names both", () => {
  const { violations } = replayTimestamps([at(5, 0, 1)], [readAt(4, 2, 3)]);

  expect(violations[0]?.text).toBe(
    "a read invoked at time 2 has timestamp 4, but timestamp 5 was acknowledged at time 1",
  );
});

test("values are compared as the caller says", () => {
  const written: TimestampedCommit<Uint8Array>[] = [
    { timestamp: 1, writes: [["x", Uint8Array.of(7)]] },
  ];
  const read = { timestamp: 1, key: "x", value: Uint8Array.of(7) };

  const byIdentity = replayTimestamps(written, [read]);
  const byContent = replayTimestamps(written, [read], { areEqual: (a, b) => a[0] === b[0] });

  expect(byIdentity.violationCount).toBe(1);
  expect(byContent.violationCount).toBe(0);
});

test("all violations are counted, the first are described", () => {
  const reads = Array.from({ length: 1000 }, (_, timestamp) => ({
    timestamp,
    key: "x",
    value: "?",
  }));

  const result = replayTimestamps([], reads);

  expect(result.violationCount).toBe(1000);
  expect(result.violations.length).toBe(REPLAY_VIOLATIONS_MAX);
});

test("of 200,000 operations in any order, the one wrong read is found", () => {
  const random = createRandom(5);
  const store = new Map<string, string>();
  const many: Commit[] = [];
  const reads: Read[] = [];
  for (let step = 0; step < 100_000; step++) {
    const key = `k${random.below(100)}`;
    const timestamp = step * 3;
    many.push({
      timestamp,
      writes: [[key, `v${step}`]],
      invokedAt: step,
      acknowledgedAt: step + random.below(50),
    });
    store.set(key, `v${step}`);
    const other = `k${random.below(100)}`;
    reads.push({ timestamp: timestamp + 1, key: other, value: store.get(other) });
  }
  const victim = { ...reads[70_000]!, value: "wrong" };
  const mutated = reads.with(70_000, victim);

  expect(replayTimestamps(many.toReversed(), reads).violationCount).toBe(0);
  expect(replayTimestamps(many, mutated.toReversed()).violations).toMatchObject([
    { type: "wrong-value", text: expect.stringContaining('saw "wrong"') },
  ]);
});
