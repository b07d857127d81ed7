import { expect, test } from "vitest";
import { parseHistory } from "../../src/check/history.ts";
import { HistoryRecorder } from "../../src/check/history-recorder.ts";
import { validateHistory } from "../../src/check/history-validation.ts";

test("what is recorded is a valid history", () => {
  const recorder = new HistoryRecorder();
  const first = recorder.newProcess();
  const second = recorder.newProcess();
  recorder.invoke(first, 5, { f: "read", value: ["x", null] }).ok(6, ["x", null]);
  const write = recorder.invoke(first, 7, { f: "write", value: ["x", 1] });
  const cas = recorder.invoke(second, 7, { f: "cas", value: ["x", [1, 2]] });
  cas.fail(8);
  write.ok(9);
  recorder.invoke(second, 9, { f: "txn", value: [["append", "k", 1]] }).info(20);
  recorder.invoke(recorder.newProcess(), 21, { f: "read", value: ["x", null] });

  const parsed = parseHistory(recorder.format());

  validateHistory(parsed);
  expect(parsed).toEqual(recorder.events);
  expect(parsed.map(({ process, type, f, time }) => `${process} ${type} ${f} ${time}`)).toEqual([
    "0 invoke read 5",
    "0 ok read 6",
    "0 invoke write 7",
    "1 invoke cas 7",
    "1 fail cas 8",
    "0 ok write 9",
    "1 invoke txn 9",
    "1 info txn 20",
    "2 invoke read 21",
  ]);
});

test("a recorder refuses what no client can do", () => {
  const recorder = new HistoryRecorder();
  const process = recorder.newProcess();
  const read = { f: "read", value: ["x", null] } as const;
  const open = recorder.invoke(process, 10, read);

  expect(() => recorder.invoke(process, 11, read)).toThrow("one thing at a time");
  expect(() => recorder.invoke(7, 11, read)).toThrow("comes from newProcess");
  expect(() => recorder.invoke(recorder.newProcess(), 9, read)).toThrow("time never goes back");
  expect(() => recorder.invoke(recorder.newProcess(), 10.5, read)).toThrow("time is an integer");

  open.info(12);

  expect(() => open.ok(13)).toThrow("an operation ends once");
  expect(() => recorder.invoke(process, 14, read)).toThrow("retires with an info");
});
