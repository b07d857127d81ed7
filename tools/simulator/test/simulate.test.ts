import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { argumentsOf } from "../src/jobs.ts";
import { parseArguments } from "../src/command-line.ts";
import { simulate } from "../src/simulate.ts";
import { type Summary } from "../src/tally.ts";
import { demoScenario } from "./demo-scenario.ts";

interface Outcome {
  readonly exitCode: number;
  readonly output: string;
  readonly warnings: string;
  /** The last line, as JSON. */
  readonly summary: () => Summary;
}

async function sim(...given: string[]): Promise<Outcome> {
  let output = "";
  let warnings = "";
  const exitCode = await simulate(
    given,
    [demoScenario],
    {
      folder: tmpdir(),
      print: (text) => {
        output += text;
      },
      warn: (text) => {
        warnings += text;
      },
    },
    async (request, firstSeed, printLine) => {
      // Jobs without processes: each is a call of the same command.
      const summaries: Summary[] = [];
      for (let job = 0; job < request.jobs; job++) {
        const job_ = argumentsOf(request, firstSeed, job);
        if (job_ === undefined) continue;
        const outcome = await sim(...job_);
        for (const line of outcome.output.split("\n")) {
          if (line.startsWith("VIOLATION")) printLine(line);
        }
        summaries.push(outcome.summary());
      }
      return summaries;
    },
  );
  const summary = (): Summary => JSON.parse(output.trimEnd().split("\n").at(-1)!) as Summary;
  return { exitCode, output, warnings, summary };
}

const demo = ["--scenario", "demo"];

test("seeds that are well end with exit code 0 and the agreed line of JSON", async () => {
  const { exitCode, summary } = await sim(...demo, "--seed", "0", "--seeds", "5", "--json");

  expect(exitCode).toBe(0);
  expect(summary()).toEqual({
    seeds: 5,
    violations: 0,
    simulatedSeconds: 7.5,
    operations: 50,
    wallSeconds: expect.any(Number) as number,
    faults: {
      "crash.image-recovered": 20,
      "crash.point": 150,
      "crash.point-in-recovery": 50,
      "disk.full": 0,
      "net.cut": 2,
    },
    probes: { reached: 5 },
    buggifySites: { site: 0 },
    failedSeeds: [],
    hash: "0000000000040004", // of seeds 0 to 4, folded
  });
});

test("a violation ends with exit code 1 and prints the command that replays it", async () => {
  const { exitCode, output } = await sim(...demo, "--seed", "5", "--seeds", "5");

  expect(exitCode).toBe(1);
  expect(output).toContain("VIOLATION seed 7: a record was lost");
  expect(output).toContain("replay: pnpm sim --scenario demo --seed 7\n");
  expect(output.match(/VIOLATION/g)).toHaveLength(1);
});

test("the replay command repeats the violation", async () => {
  const first = await sim(...demo, "--seed", "1", "--mutant", "demo.broken");
  const command = /replay: pnpm sim (.*)\n/.exec(first.output)![1]!;

  const again = await sim(...command.split(" "));

  expect(command).toBe("--scenario demo --seed 1 --mutant demo.broken");
  expect(again.exitCode).toBe(1);
});

test("a run that throws is a violation", async () => {
  const { exitCode, output } = await sim(...demo, "--seed", "1", "--mutant", "demo.throws");

  expect(exitCode).toBe(1);
  expect(output).toContain("the world ended");
});

test("without a seed one is drawn, printed, and can be repeated", async () => {
  const { output } = await sim(...demo);

  expect(output).toMatch(/^scenario demo, first seed \d+, 1 seed, Node \d/);
});

test("the trace hash of a seed is reported", async () => {
  expect((await sim(...demo, "--seed", "3", "--json")).summary().hash).toBe("0000000000030003");
  expect((await sim(...demo, "--seed", "3")).output).toContain("trace hash 0000000000030003");
});

test("--twice tells a seed that does not repeat itself", async () => {
  const steady = await sim(...demo, "--seed", "1", "--twice");
  const shaky = await sim(...demo, "--seed", "1", "--twice", "--mutant", "demo.shaky");

  expect(steady.exitCode).toBe(0);
  expect(shaky.exitCode).toBe(1);
  expect(shaky.output).toContain("the same seed gave two traces");
  expect(shaky.output).toContain("--mutant demo.shaky --twice");
});

test("history and trace are written, a line each", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kvs-sim-test-"));
  try {
    const [history, trace] = [join(folder, "history.jsonl"), join(folder, "trace.jsonl")];
    await sim(...demo, "--seed", "1", "--history", history, "--trace", trace);

    expect(readFileSync(history, "utf8")).toBe('{"index":0}\n{"index":1}\n');
    expect(readFileSync(trace, "utf8")).toBe('{"at":0}\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the text says how many crash points were tried", async () => {
  const { output } = await sim(...demo, "--seed", "0", "--seeds", "5");

  expect(output).toMatch(
    /150 crash points, 50 of them in recovery, 20 different images recovered; 150 crash points a s/,
  );
});

test("minutes end a run without a number of seeds", async () => {
  const { summary } = await sim(...demo, "--seed", "0", "--minutes", "0.0005", "--json");

  expect(summary().seeds).toBeGreaterThan(1);
});

test("jobs share the seeds and add up to the same", async () => {
  const alone = await sim(...demo, "--seed", "100", "--seeds", "31", "--json");
  const shared = await sim(...demo, "--seed", "100", "--seeds", "31", "--jobs", "4", "--json");

  expect({ ...shared.summary(), wallSeconds: 0 }).toEqual({ ...alone.summary(), wallSeconds: 0 });
  expect(shared.exitCode).toBe(1);
  expect(shared.output.match(/VIOLATION seed \d+/g)!.toSorted()).toEqual([
    "VIOLATION seed 107",
    "VIOLATION seed 117",
    "VIOLATION seed 127",
  ]);
});

test("more jobs than seeds leave jobs out", () => {
  const request = parseArguments([...demo, "--seeds", "2", "--jobs", "3"], [demoScenario], "/");

  expect(argumentsOf(request, 10, 1)).toEqual([
    "--scenario",
    "demo",
    "--seed",
    "11",
    "--stride",
    "3",
    "--json",
    "--seeds",
    "1",
  ]);
  expect(argumentsOf(request, 10, 2)).toBeUndefined();
});

test.each([
  [["--scenario", "demmo"], "a scenario for tests"],
  [[...demo, "--mutant", "broken"], "demo.broken"],
  [[...demo, "--seed", "-1"], "integer from 0"],
  [[...demo, "--seed", "1e3"], "integer from 0"],
  [[...demo, "--seeds", "0"], "integer from 1"],
  [[...demo, "--minutes", "soon"], "positive number"],
  [[...demo, "--sead", "1"], "Did you mean --seed"],
  [[...demo, "--seeds", "2", "--trace", "x"], "one seed"],
  [[], "--scenario"],
  [[...demo, "extra"], "too many arguments"],
])("%j is refused with a helpful message and exit code 2", async (given, message) => {
  const { exitCode, output, warnings } = await sim(...given);

  expect(exitCode).toBe(2);
  expect(warnings).toContain(message);
  expect(output).toBe("");
});

test("lists and help are no mistakes", async () => {
  expect(await sim("--scenario", "list")).toMatchObject({ exitCode: 0, warnings: "" });
  expect((await sim("--scenario", "list")).output).toContain("demo");
  expect((await sim(...demo, "--mutant", "list")).output).toContain("demo.shaky");
  expect((await sim("--help")).output).toContain("--twice");
});
