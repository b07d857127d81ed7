import { expect, test } from "vitest";
import { runSteps, type Step } from "../src/run-steps.ts";

const green: Step = { name: "green", run: () => ({ passed: 3, failed: 0, output: "unseen" }) };
const red: Step = { name: "red", run: () => ({ passed: 1, failed: 2, output: "a.ts:1 wrong" }) };
const broken: Step = {
  name: "broken",
  run: () => {
    throw new Error("no compiler");
  },
};

async function run(steps: readonly Step[], stop?: AbortSignal): Promise<[boolean, string[]]> {
  const lines: string[] = [];
  const print = (text: string): void => {
    lines.push(text);
  };
  const isGreen = await runSteps(steps, stop === undefined ? { print } : { print, stop });
  return [isGreen, lines];
}

test("the closing line counts all steps, stands alone and comes last", async () => {
  const [isGreen, lines] = await run([green, red]);

  expect(isGreen).toBe(false);
  expect(lines.at(-1)).toBe("4 passed, 2 failed");
});

test("only failing steps show their output", async () => {
  const [, lines] = await run([green, red]);

  expect(lines.join("\n")).toContain("     a.ts:1 wrong");
  expect(lines.join("\n")).not.toContain("unseen");
});

test("a step that throws is one failure, and the next step still runs", async () => {
  const [isGreen, lines] = await run([broken, green]);

  expect(isGreen).toBe(false);
  expect(lines.join("\n")).toContain("no compiler");
  expect(lines.at(-1)).toBe("3 passed, 1 failed");
});

test("all green is green", async () => {
  const [isGreen, lines] = await run([green]);

  expect(isGreen).toBe(true);
  expect(lines.at(-1)).toBe("3 passed, 0 failed");
});

test("a stopped run is not green", async () => {
  const [isGreen, lines] = await run([green], AbortSignal.abort());

  expect(isGreen).toBe(false);
  expect(lines.at(-1)).toBe("0 passed, 1 failed");
});
