import { expect, test } from "vitest";
import { parseHistory } from "../../src/check/history.ts";
import { type HistoryRules, validateHistory } from "../../src/check/history-validation.ts";

/** Writes `process type f value` lines as a history with one event a microsecond. */
function validate(text: string, rules?: HistoryRules): void {
  const lines = text.trim().split("\n");
  const events = lines.map((line, index) => {
    const [process, type, f, value] = line.trim().split(" ");
    return `{"index":${index},"time":${index * 1000},"process":${process},"type":"${type}","f":"${f}","value":${value}}`;
  });
  validateHistory(parseHistory(events.join("\n")), rules);
}

const proof = `
  0 invoke read ["x",null]
  0 ok read ["x",null]`;

test("a history that keeps all rules is accepted", () => {
  validate(`${proof}
    0 invoke write ["x",1]
    1 invoke read ["x",null]
    0 info write ["x",1]
    1 ok read ["x",1]
    1 invoke cas ["x",[1,2]]
    1 fail cas ["x",[1,null]]
    1 invoke txn [["append","k",1],["r","k",null],["w","y",1]]
    2 invoke write ["z",1]
    1 ok txn [["append","k",1],["r","k",[1]],["w","y",1]]
    1 invoke read ["x",null]
    1 fail read ["x",null]`);
});

test("an empty list proves an empty database as well", () => {
  validate(`
    0 invoke txn [["r","k",null]]
    0 ok txn [["r","k",[]]]
    0 invoke txn [["append","k",1]]`);
});

const broken: Record<string, readonly [line: number, problem: string, text: string]> = {
  "a second open operation": [
    2,
    "process 0 already has an open operation",
    `0 invoke read ["x",null]
     0 invoke read ["y",null]`,
  ],
  "a completion of nothing": [1, "process 0 has nothing open", `0 ok read ["x",1]`],
  "a process that goes on after an info": [
    5,
    "process 0 retired with an info",
    `${proof}
     0 invoke write ["x",1]
     0 info write ["x",1]
     0 invoke read ["x",null]`,
  ],
  "a read that is invoked with its answer": [
    1,
    "a read is invoked with null",
    `0 invoke read ["x",4]`,
  ],
  "a transaction that is invoked with its answer": [
    1,
    "a read is invoked with null",
    `0 invoke txn [["append","k",1],["r","k",[1]]]`,
  ],
  "an answer to another key": [
    2,
    "this does not answer line 1",
    `0 invoke read ["x",null]
     0 ok read ["y",null]`,
  ],
  "an answer to another function": [
    2,
    "this does not answer line 1",
    `0 invoke read ["x",null]
     0 fail write ["x",null]`,
  ],
  "an ok that wrote something else": [
    4,
    "this does not answer line 3",
    `${proof}
     0 invoke cas ["x",[null,1]]
     0 ok cas ["x",[null,2]]`,
  ],
  "a transaction that appended something else": [
    2,
    "this does not answer line 1",
    `0 invoke txn [["append","k",1]]
     0 ok txn [["append","k",2]]`,
  ],
  "a transaction with a step more": [
    2,
    "this does not answer line 1",
    `0 invoke txn [["append","k",1]]
     0 fail txn [["append","k",1],["r","k",null]]`,
  ],
  "a value written twice": [
    4,
    "1 is written twice to key x",
    `${proof}
     0 invoke write ["x",1]
     1 invoke cas ["x",[5,1]]`,
  ],
  "a value appended twice": [
    3,
    "1 is written twice to key k",
    `${proof}
     1 invoke txn [["append","k",1],["append","k",1]]`,
  ],
  "a delete without a tag": [
    3,
    "null is written",
    `${proof}
     0 invoke write ["x",null]`,
  ],
  "no proof of an empty database": [
    1,
    "no read proves",
    `0 invoke read ["x",null]
     1 invoke write ["x",1]
     0 ok read ["x",null]`,
  ],
  "a database that was not empty": [
    2,
    "key x holds something before the first write",
    `0 invoke read ["x",null]
     0 ok read ["x",3]`,
  ],
};

test.each(Object.entries(broken))("%s is refused with its line", (_name, [line, problem, text]) => {
  expect(() => validate(text)).toThrow(
    expect.objectContaining({
      code: "SIM_HISTORY_INVALID",
      details: { line },
      message: expect.stringContaining(problem),
    }),
  );
});

test("the rules of the workload can be waived, those of the recorder cannot", () => {
  const repeated = `
    0 invoke write ["x",1]
    0 ok write ["x",1]
    0 invoke write ["x",1]`;

  validate(repeated, { uniqueWrites: false, emptyStart: false });

  expect(() => validate(repeated, { emptyStart: false })).toThrow("written twice");
  expect(() => validate(repeated, { uniqueWrites: false })).toThrow("no read proves");
});

function invocation(index: number, time: number): string {
  const fields = { index, time, process: index, type: "invoke", f: "read", value: ["x", null] };
  return `${JSON.stringify(fields)}\n`;
}

test("indexes have no gaps and time does not go back", () => {
  const gap = parseHistory(invocation(0, 1) + invocation(2, 2));
  const back = parseHistory(invocation(0, 2) + invocation(1, 1));

  expect(() => validateHistory(gap)).toThrow('line 2: "index" is 2, expected 1');
  expect(() => validateHistory(back)).toThrow("line 2: time goes back");
});
