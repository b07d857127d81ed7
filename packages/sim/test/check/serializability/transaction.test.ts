import { expect, test } from "vitest";
import { type HistoryEvent, type HistoryEventType } from "../../../src/check/history.ts";
import { checkSerializability } from "../../../src/check/serializability/serializability.ts";
import { transactionsOf } from "../../../src/check/serializability/transaction.ts";

type Call = Pick<HistoryEvent, "f" | "value">;

function event(
  index: number,
  process: number,
  type: HistoryEventType,
  call: unknown,
): HistoryEvent {
  return { index, time: index * 10, process, type, ...(call as Call) } as HistoryEvent;
}

test("events become transactions: who asked, when, and what became of it", () => {
  const write = { f: "write", value: ["x", 1] };
  const asked = { f: "read", value: ["x", null] };
  const events = [
    event(0, 1, "invoke", write),
    event(1, 2, "invoke", asked),
    event(2, 3, "invoke", { f: "cas", value: ["x", [1, 2]] }),
    event(3, 2, "ok", { f: "read", value: ["x", 1] }),
    event(4, 3, "ok", { f: "cas", value: ["x", [1, 2]] }),
    event(5, 1, "info", write),
    event(6, 4, "invoke", { f: "txn", value: [["r", "x", null]] }),
    event(7, 5, "invoke", write),
    event(8, 5, "fail", write),
  ];
  expect(transactionsOf(events)).toEqual([
    {
      id: 0,
      process: 1,
      invokedAt: 0,
      completedAt: Infinity,
      outcome: "info",
      operations: [["w", "x", 1]],
    },
    {
      id: 1,
      process: 2,
      invokedAt: 10,
      completedAt: 30,
      outcome: "ok",
      operations: [["r", "x", 1]],
    },
    {
      id: 2,
      process: 3,
      invokedAt: 20,
      completedAt: 40,
      outcome: "ok",
      operations: [
        ["r", "x", 1],
        ["w", "x", 2],
      ],
    },
    {
      id: 6,
      process: 4,
      invokedAt: 60,
      completedAt: Infinity,
      outcome: "info",
      operations: [["r", "x", null]],
    },
    {
      id: 7,
      process: 5,
      invokedAt: 70,
      completedAt: 80,
      outcome: "fail",
      operations: [["w", "x", 1]],
    },
  ]);
});

test("compare-and-sets that both replaced one version are a lost update", () => {
  const calls = [1, 2].flatMap((process) => [
    event(process - 1, process, "invoke", { f: "cas", value: ["x", [null, process]] }),
  ]);
  const answers = [1, 2].map((process) =>
    event(process + 1, process, "ok", { f: "cas", value: ["x", [null, process]] }),
  );
  const { anomalies, level } = checkSerializability([...calls, ...answers]);
  expect(anomalies.map(({ type }) => type)).toContain("lost-update");
  expect(level).toBe("read-committed");
});
