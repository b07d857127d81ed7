import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNodeEnvironment } from "@kvs/node";
import { openEngine } from "@kvs/query";
import { type Ending } from "@kvs/server-app/testing";
import { type HistoryCall, type HistoryEvent, formatHistory } from "@kvs/sim";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runKvsctl } from "./real-kvsctl.ts";

// Every command is a process, and the machine may be busy.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvsctl-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(...words: string[]): Promise<Ending> {
  return runKvsctl(words, { cwd: folder });
}

const text = (value: string): Uint8Array => Buffer.from(value);

/** A data directory with prepared transactions, each of which wrote its id. */
async function prepare(...ids: string[]): Promise<void> {
  const path = join(folder, "kvs-data");
  const opened = await openEngine(createNodeEnvironment(), { path });
  const { transactions } = opened.engine;
  for (const id of ids) {
    const tx = transactions.begin();
    await tx.put(text(id), text("written"));
    await tx.put(text(`${id}-more`), text("written"));
    await transactions.prepared.prepare(tx, id, "of the test");
  }
  await opened.close();
}

/** What is under a key of the data directory. */
async function read(key: string): Promise<string | undefined> {
  const path = join(folder, "kvs-data");
  const opened = await openEngine(createNodeEnvironment(), { path });
  const found = await opened.store.get(text(key));
  await opened.close();
  return found === undefined ? undefined : Buffer.from(found).toString();
}

test("prepared transactions are listed, and decided in place of their coordinator", async () => {
  await prepare("one", "two", "three");

  const listed = await run("txn", "in-doubt", "--json");
  const waiting = listed.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(waiting).toMatchObject(
    ["one", "two", "three"].map((globalId) => ({
      globalId,
      coordinator: "of the test",
      keyCount: 2,
    })),
  );
  expect((await run("txn", "in-doubt")).stdout).toContain("of the test");

  const committed = await run("txn", "commit", "one");
  expect(committed).toMatchObject({ exitCode: 0, stderr: "" });
  expect(committed.stdout).toMatch(/^transaction one is committed, with version \d+\n$/);
  const rolledBack = await run("txn", "rollback", "two", "--json");
  expect(JSON.parse(rolledBack.stdout)).toEqual({ globalId: "two", outcome: "rolled-back" });

  // A second word changes nothing; it is refused if it is another one.
  expect((await run("txn", "commit", "one")).stdout).toBe(committed.stdout);
  const late = await run("txn", "rollback", "one");
  expect(late).toMatchObject({ exitCode: 1, stdout: "" });
  expect(late.stderr).toContain("TXN_PREPARED_DECIDED");
  for (const word of ["commit", "rollback"]) {
    const unknown = await run("txn", word, "nobody");
    expect(unknown).toMatchObject({ exitCode: 1, stdout: "" });
    expect(unknown.stderr).toContain("TXN_UNKNOWN_PREPARED");
  }
  expect((await run("txn", "commit", "x".repeat(201))).stderr).toContain("1 to 200 bytes");

  expect((await run("txn", "in-doubt", "--json")).stdout.split("\n")).toHaveLength(2);
  expect([await read("one"), await read("two"), await read("three")]).toEqual([
    "written",
    undefined,
    undefined,
  ]);
  await run("txn", "rollback", "three");
  expect((await run("txn", "in-doubt")).stdout).toBe("no transaction is in doubt\n");
});

/** Operations one after the other; or all but the first and the last at once. */
function history(calls: readonly HistoryCall[], isConcurrent: boolean): HistoryEvent[] {
  const events: Omit<HistoryEvent, "index">[] = [];
  for (const [process, call] of calls.entries()) {
    const isBeside = isConcurrent && process > 0 && process < calls.length - 1;
    const asked = isBeside ? 10 : process * 1000;
    const answered = isBeside ? 900 : asked + 5;
    events.push({ time: asked, process, type: "invoke", ...question(call) });
    events.push({ time: answered, process, type: "ok", ...call });
  }
  const inOrder = events.toSorted((a, b) => a.time - b.time);
  return inOrder.map((event, index) => ({ ...event, index })) as HistoryEvent[];
}

function question(call: HistoryCall): HistoryCall {
  if (call.f === "read") return { f: "read", value: [call.value[0], null] };
  if (call.f !== "txn") return call;
  return {
    f: "txn",
    value: call.value.map((each) => (each[0] === "r" ? ["r", each[1], null] : each)),
  };
}

async function check(events: readonly HistoryEvent[], ...flags: string[]): Promise<Ending> {
  writeFileSync(join(folder, "history.jsonl"), formatHistory(events));
  return run("history", "check", "history.jsonl", ...flags);
}

/** The read that proves that the database was empty. */
const EMPTY: HistoryCall = {
  f: "txn",
  value: [
    ["r", "x", null],
    ["r", "y", null],
  ],
};

test("a history that kept its level is said so; one that did not fails, with the cycle", async () => {
  const good = history(
    [
      EMPTY,
      { f: "txn", value: [["append", "x", 1]] },
      {
        f: "txn",
        value: [
          ["r", "x", [1]],
          ["append", "x", 2],
        ],
      },
      { f: "txn", value: [["r", "x", [1, 2]]] },
    ],
    false,
  );
  const kept = await check(good);
  expect(kept).toMatchObject({ exitCode: 0, stderr: "" });
  expect(kept.stdout).toContain("strict-serializable: kept");

  // Write skew: each read what the other appended to, before it did.
  const skew = history(
    [
      EMPTY,
      {
        f: "txn",
        value: [
          ["r", "x", []],
          ["append", "y", 1],
        ],
      },
      {
        f: "txn",
        value: [
          ["r", "y", []],
          ["append", "x", 2],
        ],
      },
      {
        f: "txn",
        value: [
          ["r", "x", [2]],
          ["r", "y", [1]],
        ],
      },
    ],
    true,
  );
  const violated = await check(skew, "--level", "serializable");
  expect(violated.exitCode).toBe(1);
  expect(violated.stdout).toContain("write-skew (forbidden by serializable)");
  expect(violated.stdout).toContain("nothing speaks against snapshot");
  const allowed = await check(skew, "--level", "snapshot", "--json");
  expect(allowed.exitCode).toBe(0);
  expect(JSON.parse(allowed.stdout)).toMatchObject({
    asked: "snapshot",
    isKept: true,
    level: "snapshot",
    linearizability: null,
    anomalies: [{ type: "write-skew", isForbidden: false }],
  });
});

test("a history of registers is judged as linearizable, too", async () => {
  const calls: HistoryCall[] = [
    { f: "read", value: ["x", null] },
    { f: "write", value: ["x", 1] },
    { f: "write", value: ["x", 2] },
    { f: "read", value: ["x", 2] },
  ];
  const good = await check(history(calls, false), "--json");
  expect(JSON.parse(good.stdout)).toMatchObject({ isKept: true, linearizability: "linearizable" });
  const stale = history([...calls, { f: "read", value: ["x", 1] }], false);
  const violated = await check(stale);
  expect(violated.exitCode).toBe(1);
  expect(violated.stdout).toContain("strict-serializable: violated");
  expect((await check(stale, "--level", "serializable")).exitCode).toBe(0);
});

test("what is no history is refused, with its line", async () => {
  writeFileSync(join(folder, "history.jsonl"), "{}\n");
  const bad = await run("history", "check", "history.jsonl");
  expect(bad).toMatchObject({ exitCode: 1, stdout: "" });
  expect(bad.stderr).toContain("line 1");
  expect((await run("history", "check", "missing.jsonl")).stderr).toContain("cannot be read");
  const piped = await runKvsctl(["history", "check", "-", "--json"], {
    cwd: folder,
    input: formatHistory(history([EMPTY], false)),
  });
  expect(piped).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await run("history", "check", "-", "--level", "chaos")).exitCode).toBe(2);
});
