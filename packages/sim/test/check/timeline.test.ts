import { expect, test } from "vitest";
import { drawTimeline, TIMELINE_ROWS_MAX } from "../../src/check/timeline.ts";

test("a timeline shows who did what when, in order of beginning", () => {
  const text = drawTimeline([
    { process: 10, invokedAt: 500, completedAt: 1e9, label: "read → 1", note: "second" },
    { process: 2, invokedAt: 3, completedAt: 500, label: "write 1", note: "" },
    { process: 3, invokedAt: 4, completedAt: Infinity, label: "write 2", note: "open" },
    { process: 4, invokedAt: 700, completedAt: 700, label: "x", note: "at once" },
  ]);

  expect(text).toBe(
    [
      "p2   [---]         write 1",
      "p3     [-------->  write 2   open",
      "p10      [---]     read → 1  second",
      "p4         []      x         at once",
    ].join("\n"),
  );
});

test("only the last rows are drawn", () => {
  const rows = Array.from({ length: TIMELINE_ROWS_MAX + 2 }, (_, at) => ({
    process: at,
    invokedAt: at,
    completedAt: at + 1,
    label: `operation ${at}`,
    note: "",
  }));

  const lines = drawTimeline(rows).split("\n");

  expect(lines.length).toBe(TIMELINE_ROWS_MAX);
  expect(lines[0]).toContain("operation 2");
  expect(drawTimeline([])).toBe("");
});
