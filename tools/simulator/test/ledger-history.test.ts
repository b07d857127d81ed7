import { expect, test } from "vitest";
import { LedgerHistory } from "../src/ledger/ledger-history.ts";

/** A history whose time is a counter; nodes in `harmed` have a damaged disk from then on. */
function createHistory(): { history: LedgerHistory; harmed: Set<string> } {
  let nowMicros = 0;
  const harmed = new Set<string>();
  return {
    history: new LedgerHistory(
      () => nowMicros++,
      (node) => harmed.has(node),
    ),
    harmed,
  };
}

test("a value that was read before it was written, and lost, is a violation", () => {
  const { history } = createHistory();
  const reader = history.newProcess();
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", null]);
  const write = history.invoke(history.newProcess(), { f: "write", value: ["n1", "a"] });
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", "a"]);
  write.info();
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", null]);

  expect(history.violations()).toEqual([expect.stringContaining("not linearizable")]);
});

test("what a register does after its disk was damaged proves nothing", () => {
  const { history, harmed } = createHistory();
  const reader = history.newProcess();
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", null]);
  history.invoke(reader, { f: "write", value: ["n1", "a"] }).ok();
  harmed.add("n1");
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", null]);

  expect(history.violations()).toEqual([]);
  expect(history.lines()).toHaveLength(6);
});

test("an operation whose end is left out stays open, though its process goes on elsewhere", () => {
  const { history, harmed } = createHistory();
  const [writer, reader] = [history.newProcess(), history.newProcess()];
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", null]);
  const write = history.invoke(writer, { f: "write", value: ["n1", "a"] });
  history.invoke(reader, { f: "read", value: ["n1", null] }).ok(["n1", "a"]);
  harmed.add("n1");
  write.ok();
  history.invoke(writer, { f: "write", value: ["n2", "b"] }).ok();

  expect(history.violations()).toEqual([]);
});
