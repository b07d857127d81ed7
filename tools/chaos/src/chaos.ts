import { randomInt } from "node:crypto";
import { createRandom } from "@kvs/env";
import { type ChaosRequest, UsageError, parseArguments } from "./command-line.ts";
import { Sandbox } from "./sandbox.ts";
import { type Scenario, type ScenarioResult } from "./scenario.ts";

const MS_PER_MINUTE = 60_000;
/** Broken promises that are printed; all are counted. */
const VIOLATIONS_PRINTED = 20;

export interface ChaosOutput {
  print(text: string): void;
  warn(text: string): void;
}

/**
 * Runs what the arguments ask for.
 *
 * @returns The exit code: 0 if every promise was kept, or could not be tried here; 1 if not; 2 if
 *   the arguments make no sense.
 */
export async function chaos(
  given: readonly string[],
  scenarios: readonly Scenario[],
  output: ChaosOutput,
): Promise<number> {
  let request: ChaosRequest;
  try {
    request = parseArguments(given, scenarios);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (error.exitCode === 0) output.print(`${error.message}\n`);
    else output.warn(`${error.message}\n`);
    return error.exitCode;
  }
  const wanted = scenarios.filter(({ name }) => (request.scenario ?? name) === name);
  const seed = request.seed ?? randomInt(2 ** 31);
  let exitCode = 0;
  for (const scenario of wanted) {
    const minutes = (request.minutes ?? Infinity) / wanted.length;
    const result = await runOne(scenario, { request, seed, minutes }, output);
    if (result.violations.length > 0) exitCode = 1;
    if (request.isJson) {
      output.print(`${JSON.stringify({ scenario: scenario.name, seed, ...result })}\n`);
    }
  }
  return exitCode;
}

interface Run {
  readonly request: ChaosRequest;
  readonly seed: number;
  readonly minutes: number;
}

async function runOne(
  scenario: Scenario,
  { request, seed, minutes }: Run,
  output: ChaosOutput,
): Promise<ScenarioResult> {
  const say = (text: string): void => output.warn(`${scenario.name}: ${text}\n`);
  const rounds = request.rounds ?? (request.minutes === undefined ? scenario.rounds : Infinity);
  const begin = performance.now();
  const sandbox = Sandbox.create();
  say(`seed ${seed}, in ${sandbox.folder}`);
  try {
    const result = await scenario.run({
      random: createRandom(seed).split(scenario.name),
      sandbox,
      mutants: request.mutants,
      wantsMore: (done) =>
        done < rounds && (done === 0 || performance.now() - begin < minutes * MS_PER_MINUTE),
      progress: say,
    });
    describe(result).forEach(say);
    return result;
  } finally {
    sandbox.clean();
  }
}

function describe(result: ScenarioResult): string[] {
  const { rounds, acknowledged, violations, skipped, counts } = result;
  const lines = skipped === undefined ? [] : [`skipped: ${skipped}`];
  const details = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  if (rounds > 0) {
    lines.push(`${rounds} rounds, ${acknowledged} batches answered; ${details.join(", ")}`);
    lines.push(`${violations.length} violations`);
  }
  return [...lines, ...violations.slice(0, VIOLATIONS_PRINTED).map((text) => `VIOLATION ${text}`)];
}
