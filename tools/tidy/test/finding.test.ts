import { expect, test } from "vitest";
import { describeFindings } from "../src/finding.ts";

test("no finding is one check passed", () => {
  expect(describeFindings([])).toEqual({ passed: 1, failed: 0, output: "" });
});

test("findings are one failed check, listed by file and line", () => {
  const result = describeFindings([
    { file: "b.ts", line: 1, message: "three" },
    { file: "a.ts", line: 10, message: "two" },
    { file: "a.ts", line: 9, message: "one" },
  ]);

  expect(result).toEqual({
    passed: 0,
    failed: 1,
    note: "3 findings",
    output: "a.ts:9 one\na.ts:10 two\nb.ts:1 three",
  });
});
