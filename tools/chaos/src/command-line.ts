import { Command, CommanderError, InvalidArgumentError } from "commander";

/** What the user asked for. */
export interface ChaosRequest {
  /** The scenario's name; `undefined` means all. */
  readonly scenario: string | undefined;
  /** `undefined` means the scenario's own number. */
  readonly rounds: number | undefined;
  /** Begins no round after so many minutes, all scenarios together. */
  readonly minutes: number | undefined;
  /** `undefined` means a drawn one. */
  readonly seed: number | undefined;
  readonly mutants: readonly string[];
  readonly isJson: boolean;
}

/** The user's mistake, or a call for help: what to print, and how to end. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly exitCode: number;

  constructor(message: string, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Reads the arguments.
 *
 * @throws {UsageError} if something is unknown, or help was asked for.
 */
export function parseArguments(
  given: readonly string[],
  scenarios: readonly { readonly name: string; readonly description: string }[],
): ChaosRequest {
  const command = describeCommand(scenarios);
  const output: string[] = [];
  const write = (text: string): void => void output.push(text);
  command.configureOutput({ writeOut: write, writeErr: write });
  try {
    command.parse(given[0] === "--" ? given.slice(1) : given, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    throw new UsageError(output.join("").trim(), error.exitCode === 0 ? 0 : 2);
  }
  const options = command.opts<{
    scenario?: string;
    rounds?: number;
    minutes?: number;
    seed?: number;
    mutant?: readonly string[];
    json?: true;
  }>();
  const names = scenarios.map(({ name }) => name);
  if (options.scenario !== undefined && !names.includes(options.scenario)) {
    const known = names.join(", ");
    throw new UsageError(`error: there is no scenario "${options.scenario}". Known: ${known}`);
  }
  return {
    scenario: options.scenario,
    rounds: options.rounds,
    minutes: options.minutes,
    seed: options.seed,
    mutants: options.mutant ?? [],
    isJson: options.json === true,
  };
}

function describeCommand(
  scenarios: readonly { readonly name: string; readonly description: string }[],
): Command {
  const list = scenarios.map(({ name, description }) => `  ${name.padEnd(10)} ${description}`);
  return new Command("pnpm chaos")
    .option("--scenario <name>", "run only this scenario")
    .option("--rounds <count>", "rounds of each scenario", parseCount)
    .option("--minutes <minutes>", "begin no round after this time", parseMinutes)
    .option("--seed <seed>", "what is drawn follows from it; default: a drawn one", parseSeed)
    .option("--mutant <names...>", "sabotage the writers; the run has to report a violation")
    .option("--json", "end with one line of JSON for each scenario")
    .addHelpText("after", `\nScenarios:\n${list.join("\n")}`)
    .showSuggestionAfterError()
    .exitOverride();
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0) return count;
  throw new InvalidArgumentError("It is an integer above 0.");
}

function parseMinutes(text: string): number {
  const minutes = Number(text);
  if (Number.isFinite(minutes) && minutes > 0) return minutes;
  throw new InvalidArgumentError("It is a number above 0.");
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new InvalidArgumentError("It is an integer of 0 or more.");
}
