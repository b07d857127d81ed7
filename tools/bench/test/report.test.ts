import { expect, test } from "vitest";
import { type Report, formatFigure, toJson, toText } from "../src/report.ts";

const report: Report = {
  suite: "demo",
  machine: { commit: "abc123", node: "24.0.0", machine: "a processor, 2 cores", loadBefore: 3.25 },
  isQuick: false,
  rows: [
    {
      id: "demo.get.1",
      unit: "1/s",
      value: 1_234_567,
      spread: [1_000_000, 1_300_000],
      p50: 0.0123,
    },
    { id: "demo.get.1@peer", unit: "1/s", value: 20, peer: "peer", peerValue: 10, ratio: 2 },
  ],
  skipped: [{ id: "demo.get.1@other", reason: "other is not installed" }],
};

test("the JSON has exactly the agreed fields", () => {
  expect(JSON.parse(toJson(report))).toEqual({
    suite: "demo",
    commit: "abc123",
    node: "24.0.0",
    machine: "a processor, 2 cores",
    rows: [
      {
        id: "demo.get.1",
        unit: "1/s",
        value: 1_234_567,
        spread: [1_000_000, 1_300_000],
        p50: 0.0123,
      },
      { id: "demo.get.1@peer", unit: "1/s", value: 20, peer: "peer", peerValue: 10, ratio: 2 },
    ],
  });
});

test("the table shows each row, what was skipped and why, and how busy the machine was", () => {
  const text = toText(report);

  expect(text).toContain("commit abc123");
  expect(text).toContain("load 3.3");
  expect(text).toMatch(/demo\.get\.1 +1,230,000 +1\/s/);
  expect(text).toMatch(/demo\.get\.1@peer +20 +1\/s +10 +2\n/);
  expect(text).toContain("skipped demo.get.1@other: other is not installed");
  expect(text).not.toContain("QUICK");
});

test("a quick run is marked", () => {
  expect(toText({ ...report, isQuick: true })).toContain("QUICK");
});

test("figures have three significant digits", () => {
  expect(formatFigure(0.012345)).toBe("0.0123");
  expect(formatFigure(999.6)).toBe("1000");
  expect(formatFigure(98_765)).toBe("98,800");
  expect(formatFigure(12_345_678)).toBe("12,300,000");
  expect(formatFigure(undefined)).toBe("");
});

test("a note follows the table, under the row's name", () => {
  const [row] = report.rows;

  const text = toText({ ...report, rows: [{ ...row!, note: "page cache emptied" }] });

  expect(text).toContain("demo.get.1: page cache emptied\n");
});
