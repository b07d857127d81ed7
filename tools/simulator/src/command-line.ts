import { resolve } from "node:path";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { type Scenario } from "./scenario.ts";

/** Which seeds to run, and what to do with them. */
export interface SimRequest {
  readonly scenario: Scenario;
  /** The first seed; `undefined`: draw one. */
  readonly seed: number | undefined;
  /** How many; `undefined`: as many as the time allows. */
  readonly seeds: number | undefined;
  /** From one seed to the next; jobs share the seeds between them. */
  readonly stride: number;
  /** Begin no seed after this many minutes. */
  readonly minutes: number | undefined;
  readonly jobs: number;
  readonly isTwice: boolean;
  readonly isJson: boolean;
  readonly mutant: string | undefined;
  /** Absolute paths. */
  readonly historyPath: string | undefined;
  readonly tracePath: string | undefined;
}

/** The user's mistake, or a question that is answered by text: what to print, and how to end. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly exitCode: number;

  constructor(message: string, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Processes at once: more never help, and each takes a few hundred megabytes. */
const JOBS_MAX = 256;

interface Options {
  readonly scenario: string;
  readonly seed?: number;
  readonly seeds?: number;
  readonly stride: number;
  readonly minutes?: number;
  readonly jobs: number;
  readonly twice?: true;
  readonly json?: true;
  readonly mutant?: string;
  readonly history?: string;
  readonly trace?: string;
}

/**
 * Reads the arguments.
 *
 * @param folder Relative files resolve against this folder.
 * @throws {UsageError} if something is unknown or does not fit, or a list or help was asked for.
 */
export function parseArguments(
  given: readonly string[],
  scenarios: readonly Scenario[],
  folder: string,
): SimRequest {
  const options = parseOptions(given);
  const scenario = findScenario(options.scenario, scenarios);
  const isOneSeed = (options.seeds ?? 1) === 1 && options.minutes === undefined;
  if (!isOneSeed && (options.history ?? options.trace) !== undefined) {
    throw new UsageError(
      "error: --history and --trace take one seed: leave out --seeds, --minutes",
    );
  }
  return {
    scenario,
    seed: options.seed,
    seeds: options.seeds ?? (options.minutes === undefined ? 1 : undefined),
    stride: options.stride,
    minutes: options.minutes,
    jobs: options.jobs,
    isTwice: options.twice === true,
    isJson: options.json === true,
    mutant: options.mutant === undefined ? undefined : findMutant(options.mutant, scenario),
    historyPath: options.history === undefined ? undefined : resolve(folder, options.history),
    tracePath: options.trace === undefined ? undefined : resolve(folder, options.trace),
  };
}

function parseOptions(given: readonly string[]): Options {
  const command = describeCommand();
  const output: string[] = [];
  const write = (text: string): void => {
    output.push(text);
  };
  command.configureOutput({ writeOut: write, writeErr: write });
  try {
    command.parse(given[0] === "--" ? given.slice(1) : given, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new UsageError(output.join("").trim(), error.exitCode === 0 ? 0 : 2);
  }
  return command.opts<Options & Record<string, unknown>>();
}

function describeCommand(): Command {
  const seed = integerBetween(0, Number.MAX_SAFE_INTEGER);
  const count = integerBetween(1, 1_000_000_000);
  return new Command("pnpm sim")
    .requiredOption("--scenario <name>", 'what to simulate; "list" names all')
    .option("--seed <number>", "the first seed; default: drawn, and printed", seed)
    .option("--seeds <count>", "how many seeds, one after the other; default: 1", count)
    .option("--minutes <minutes>", "begin no seed after this time", parseMinutes)
    .option("--jobs <count>", "share the seeds between processes", integerBetween(1, JOBS_MAX), 1)
    .option("--stride <number>", "from one seed to the next", count, 1)
    .option("--twice", "run each seed twice and compare the trace hashes")
    .option("--mutant <name>", 'switch on a built-in sabotage; "list" names all')
    .option("--json", "end with one line of JSON")
    .option("--history <file>", "write the history of operations (one seed)")
    .option("--trace <file>", "write the trace of events (one seed)")
    .showSuggestionAfterError()
    .allowExcessArguments(false)
    .exitOverride();
}

function findScenario(name: string, scenarios: readonly Scenario[]): Scenario {
  const lines = scenarios.map((known) => `  ${known.name.padEnd(14)} ${known.description}`);
  if (name === "list") throw new UsageError(lines.join("\n"), 0);
  const found = scenarios.find((known) => known.name === name);
  if (found !== undefined) return found;
  throw new UsageError(`error: there is no scenario "${name}". Known:\n${lines.join("\n")}`);
}

function findMutant(name: string, scenario: Scenario): string {
  const lines = scenario.mutants.map((known) => `  ${known}`);
  if (name === "list") throw new UsageError(lines.join("\n"), 0);
  if (scenario.mutants.includes(name)) return name;
  throw new UsageError(
    `error: scenario "${scenario.name}" has no mutant "${name}". Known:\n${lines.join("\n")}`,
  );
}

function integerBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is an integer from ${least} to ${most}.`);
  };
}

function parseMinutes(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError("It is a positive number.");
}
