import { expect, test } from "vitest";
import { formatHistory, type HistoryEvent, parseHistory } from "../../src/check/history.ts";

const events: readonly HistoryEvent[] = [
  { index: 0, time: 10, process: 0, type: "invoke", f: "read", value: ["x", null] },
  { index: 1, time: 12, process: 0, type: "ok", f: "read", value: ["x", null] },
  { index: 2, time: 12, process: 1, type: "invoke", f: "write", value: [7, "a"] },
  { index: 3, time: 20, process: 1, type: "info", f: "write", value: [7, "a"] },
  { index: 4, time: 21, process: 0, type: "invoke", f: "cas", value: ["x", [null, 2]] },
  { index: 5, time: 22, process: 0, type: "fail", f: "cas", value: ["x", [null, 2]] },
  {
    index: 6,
    time: 23,
    process: 0,
    type: "invoke",
    f: "txn",
    value: [
      ["append", "k", 7],
      ["r", "k", null],
      ["w", 3, "b"],
    ],
  },
  {
    index: 7,
    time: 2 ** 53 - 1,
    process: 0,
    type: "ok",
    f: "txn",
    value: [
      ["append", "k", 7],
      ["r", "k", [1, "two", 7]],
      ["w", 3, "b"],
    ],
  },
];

test("a history survives being written and read", () => {
  expect(parseHistory(formatHistory(events))).toEqual(events);
  expect(formatHistory([])).toBe("");
  expect(parseHistory("")).toEqual([]);
});

test("the text has one event a line, with its fields in a fixed order", () => {
  const reordered = {
    value: ["x", null],
    f: "read",
    type: "invoke",
    process: 0,
    time: 10,
    index: 0,
  };

  const text = formatHistory([reordered as unknown as HistoryEvent]);

  expect(text).toBe(
    '{"index":0,"time":10,"process":0,"type":"invoke","f":"read","value":["x",null]}\n',
  );
});

test("unknown fields and empty lines do not matter", () => {
  const line = '{"index":0,"time":1,"process":2,"type":"ok","f":"txn","value":[],"node":"n1"}';

  const parsed = parseHistory(`\n${line}\r\n\n`);

  expect(parsed).toEqual([{ index: 0, time: 1, process: 2, type: "ok", f: "txn", value: [] }]);
});

const head = '"index":0,"time":1,"process":0,"type":"ok"';
const invalid: Record<string, string> = {
  "{": "this is not JSON",
  "[]": "an event is a JSON object",
  null: "an event is a JSON object",
  '{"index":-1}': '"index" is an integer in [0, 2^53), not -1',
  '{"index":0,"time":0.5}': '"time" is an integer in [0, 2^53), not 0.5',
  '{"index":0,"time":1}': '"process" is an integer in [0, 2^53), not undefined',
  '{"index":0,"time":1,"process":0,"type":"okay"}':
    '"type" is invoke, ok, fail or info, not "okay"',
  [`{${head}}`]: '"f" is read, write, cas or txn, not undefined',
  [`{${head},"f":"read","value":["x"]}`]: "the value of a read is [key, value]",
  [`{${head},"f":"write","value":[null,1]}`]: "the value of a write is [key, value]",
  [`{${head},"f":"write","value":["x",{}]}`]: "the value of a write is [key, value]",
  [`{${head},"f":"cas","value":["x",1]}`]: "the value of a cas is [key, [expected, new]]",
  [`{${head},"f":"cas","value":["x",[1,true]]}`]: "the value of a cas is [key, [expected, new]]",
  [`{${head},"f":"txn","value":[["append","k"]]}`]: "the value of a txn is a list of",
  [`{${head},"f":"txn","value":[["append","k",[1]]]}`]: "the value of a txn is a list of",
  [`{${head},"f":"txn","value":[["r",null,1]]}`]: "the value of a txn is a list of",
  [`{${head},"f":"txn","value":[["r","k",[[1]]]]}`]: "the value of a txn is a list of",
  [`{${head},"f":"txn","value":[["x","k",1]]}`]: "the value of a txn is a list of",
  [`{${head},"f":"txn","value":"x"}`]: "the value of a txn is a list of",
};

test.each(Object.entries(invalid))("%s is refused with its line", (line, problem) => {
  const text = `${formatHistory(events.slice(0, 2))}${line}\n`;

  expect(() => parseHistory(text)).toThrow(
    expect.objectContaining({
      code: "SIM_HISTORY_INVALID",
      details: { line: 3 },
      message: expect.stringContaining(`line 3: ${problem}`),
    }),
  );
});

test("a transaction may read a range, and its answer is a list of pairs", () => {
  const event = (value: string): string =>
    `{"index":0,"time":1,"process":2,"type":"ok","f":"txn","value":${value}}`;
  for (const value of ['[["range",["a","c"],[["b",1]]]]', '[["range",["a","c"],null]]']) {
    const parsed = parseHistory(event(value));
    expect(parseHistory(formatHistory(parsed))).toEqual(parsed);
  }
  for (const value of ['[["range",["a"],[]]]', '[["range",["a","c"],[1]]]', '[["range","a",[]]]']) {
    expect(() => parseHistory(event(value))).toThrow(/line 1/u);
  }
});
