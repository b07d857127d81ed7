import { expect, test } from "vitest";
import { judgeScript } from "../src/steps.ts";

test("a script that ends well is one check, and its last line is the note", () => {
  const result = judgeScript({ exitCode: 0, output: "much\n50 seeds, no violation\n" });

  expect(result).toMatchObject({ passed: 1, failed: 0, note: "50 seeds, no violation" });
});

test("a script's own counts are taken over", () => {
  expect(judgeScript({ exitCode: 0, output: "50 passed, 0 failed\n" })).toMatchObject({
    passed: 50,
    failed: 0,
  });
  expect(judgeScript({ exitCode: 1, output: "49 passed, 1 failed\n" })).toMatchObject({
    passed: 49,
    failed: 1,
  });
});

test("a script that ends badly failed, whatever it counted", () => {
  expect(judgeScript({ exitCode: 1, output: "" })).toMatchObject({ passed: 0, failed: 1 });
  expect(judgeScript({ exitCode: 1, output: "50 passed, 0 failed" })).toMatchObject({ failed: 1 });
});

test("counts are believed of a script that ends well and counts failures", () => {
  expect(judgeScript({ exitCode: 0, output: "1 passed, 2 failed" })).toMatchObject({ failed: 2 });
});
