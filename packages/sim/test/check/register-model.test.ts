import { expect, test } from "vitest";
import { type HistoryEvent, type HistoryValue } from "../../src/check/history.ts";
import { HistoryRecorder } from "../../src/check/history-recorder.ts";
import { IMPOSSIBLE } from "../../src/check/model.ts";
import {
  registerModel,
  type RegisterOperation,
  registerOperations,
} from "../../src/check/register-model.ts";

test("a register steps as its operations say", () => {
  const step = (state: HistoryValue, operation: RegisterOperation): unknown =>
    registerModel.step(state, operation);

  expect(registerModel.init()).toBe(null);
  expect(step(null, { type: "read", key: "x", value: null })).toBe(null);
  expect(step(1, { type: "read", key: "x", value: null })).toBe(IMPOSSIBLE);
  expect(step(1, { type: "write", key: "x", value: 2 })).toBe(2);
  expect(step(1, { type: "cas", key: "x", expected: 1, value: 2 })).toBe(2);
  expect(step("1", { type: "cas", key: "x", expected: 1, value: 2 })).toBe(IMPOSSIBLE);
});

test("operations are described in a few words", () => {
  expect(registerModel.describe({ type: "read", key: 1, value: null })).toBe("read → null");
  expect(registerModel.describe({ type: "write", key: 1, value: "a" })).toBe('write "a"');
  expect(registerModel.describe({ type: "cas", key: 1, expected: 1, value: 2 })).toBe("cas 1 → 2");
  expect(registerModel.describeState("a")).toBe('"a"');
});

test("a history becomes intervals: failures and unknown reads drop out, unknown writes stay open", () => {
  const recorder = new HistoryRecorder();
  const ask = (): number => recorder.newProcess();
  recorder.invoke(ask(), 1, { f: "write", value: ["x", 1] }).ok(2);
  recorder.invoke(ask(), 3, { f: "write", value: ["x", 2] }).fail(4);
  recorder.invoke(ask(), 5, { f: "read", value: ["x", null] }).info(6);
  recorder.invoke(ask(), 7, { f: "cas", value: ["x", [1, 3]] }).info(8);
  recorder.invoke(ask(), 9, { f: "write", value: ["x", 4] });
  recorder.invoke(ask(), 10, { f: "cas", value: ["x", [3, 5]] }).info(11);
  recorder.invoke(ask(), 12, { f: "read", value: ["x", null] }).ok(13, ["x", 4]);

  expect(registerOperations(recorder.events)).toEqual([
    {
      process: 0,
      operation: { type: "write", key: "x", value: 1 },
      invokedAt: 0,
      completedAt: 1,
    },
    { process: 6, operation: { type: "read", key: "x", value: 4 }, invokedAt: 11, completedAt: 12 },
    {
      process: 3,
      operation: { type: "cas", key: "x", expected: 1, value: 3 },
      invokedAt: 6,
      completedAt: Infinity,
    },
    {
      process: 4,
      operation: { type: "write", key: "x", value: 4 },
      invokedAt: 8,
      completedAt: Infinity,
    },
  ]);
});

test("a transaction is no register operation", () => {
  const events: HistoryEvent[] = [
    { index: 0, time: 0, process: 0, type: "invoke", f: "txn", value: [] },
  ];

  expect(() => registerOperations(events)).toThrow("line 1: a register history");
});
