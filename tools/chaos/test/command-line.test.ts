import { expect, test } from "vitest";
import { UsageError, parseArguments } from "../src/command-line.ts";

const SCENARIOS = [{ name: "kill", description: "kills" }];

function parse(...given: readonly string[]): ReturnType<typeof parseArguments> {
  return parseArguments(given, SCENARIOS);
}

test("without arguments every scenario runs as long as it wants", () => {
  expect(parse()).toEqual({
    scenario: undefined,
    rounds: undefined,
    minutes: undefined,
    seed: undefined,
    mutants: [],
    isJson: false,
  });
});

test("every argument is read", () => {
  const given = ["--", "--scenario", "kill", "--rounds", "3", "--minutes", "0.5", "--seed", "9"];

  expect(parse(...given, "--mutant", "a.b", "c.d", "--json")).toEqual({
    scenario: "kill",
    rounds: 3,
    minutes: 0.5,
    seed: 9,
    mutants: ["a.b", "c.d"],
    isJson: true,
  });
});

test.each([
  [["--scenario", "kil"]],
  [["--rounds", "0"]],
  [["--rounds", "many"]],
  [["--minutes", "-1"]],
  [["--seed", "0.5"]],
  [["--sed", "1"]],
])("%j makes no sense, and says so", (given) => {
  expect(() => parse(...given)).toThrow(UsageError);
});

test("help is no mistake", () => {
  const read = (): unknown => parse("--help");

  expect(read).toThrow(expect.objectContaining({ exitCode: 0 }));
  expect(read).toThrow(/kill {7}kills/);
});
