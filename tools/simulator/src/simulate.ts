import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { type SimRequest, UsageError, parseArguments } from "./command-line.ts";
import { type RunJobs } from "./jobs.ts";
import {
  CRASH_IMAGES,
  CRASH_POINTS,
  CRASH_POINTS_IN_RECOVERY,
  type Scenario,
  type SeedResult,
} from "./scenario.ts";
import { type Summary, Tally } from "./tally.ts";

/** Where the command writes, and where it was called. */
export interface SimConsole {
  readonly folder: string;
  print(text: string): void;
  warn(text: string): void;
}

/** Random first seeds stay below this, so that they are short enough to be read to a colleague. */
const DRAWN_SEED_MAX = 2 ** 32;
/** A seed is a complete run of at most this long, else nobody can run many. */
const SEED_MAX_MS = 10_000;

/**
 * The whole command.
 *
 * @param runJobs Runs a request in several processes; used for `--jobs` above 1.
 * @returns The exit code: 0 if all seeds were well, 1 if any was not, 2 for a mistake in the call.
 */
export async function simulate(
  given: readonly string[],
  scenarios: readonly Scenario[],
  console: SimConsole,
  runJobs: RunJobs,
): Promise<number> {
  try {
    const request = parseArguments(given, scenarios, console.folder);
    const firstSeed = request.seed ?? randomInt(DRAWN_SEED_MAX);
    console.print(`${titleOf(request, firstSeed)}\n`);
    const startMs = performance.now();
    const tally = new Tally(request.scenario.faultKinds);
    if (request.jobs > 1) {
      const summaries = await runJobs(request, firstSeed, (line) => console.print(`${line}\n`));
      for (const summary of summaries) tally.addSummary(summary);
    } else {
      await new SeedRunner(request, firstSeed, console, tally).run();
    }
    const summary = tally.summary((performance.now() - startMs) / 1000);
    console.print(request.isJson ? `${JSON.stringify(summary)}\n` : textOf(summary));
    return summary.violations === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (error.exitCode === 0) console.print(`${error.message}\n`);
    else console.warn(`${error.message}\n`);
    return error.exitCode;
  }
}

/** Runs the seeds of one process, one after the other. */
class SeedRunner {
  readonly #request: SimRequest;
  readonly #firstSeed: number;
  readonly #console: SimConsole;
  readonly #tally: Tally;

  constructor(request: SimRequest, firstSeed: number, console: SimConsole, tally: Tally) {
    this.#request = request;
    this.#firstSeed = firstSeed;
    this.#console = console;
    this.#tally = tally;
  }

  async run(): Promise<void> {
    const { seeds = Infinity, minutes = Infinity, stride } = this.#request;
    const endMs = performance.now() + minutes * 60_000;
    for (let index = 0; index < seeds && performance.now() < endMs; index++) {
      await this.#runSeed(this.#firstSeed + index * stride);
    }
  }

  async #runSeed(seed: number): Promise<void> {
    const startMs = performance.now();
    const first = await this.#runOnce(seed);
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs > SEED_MAX_MS) {
      this.#console.warn(`seed ${seed} took ${Math.round(elapsedMs / 1000)} s\n`);
    }
    const result = this.#request.isTwice ? compare(first, await this.#runOnce(seed)) : first;
    this.#tally.addSeed(seed, result);
    this.#report(seed, result);
  }

  async #runOnce(seed: number): Promise<SeedResult> {
    const { scenario, mutant, historyPath, tracePath } = this.#request;
    try {
      return await scenario.run(seed, {
        ...(mutant === undefined ? {} : { mutant }),
        wantsHistory: historyPath !== undefined,
        wantsTrace: tracePath !== undefined,
      });
    } catch (error) {
      return brokenResult(error);
    }
  }

  #report(seed: number, result: SeedResult): void {
    const { historyPath, tracePath } = this.#request;
    if (historyPath !== undefined) writeLines(historyPath, result.history ?? []);
    if (tracePath !== undefined) writeLines(tracePath, result.trace ?? []);
    if (result.violations.length === 0) return;
    for (const violation of result.violations) {
      this.#console.print(`VIOLATION seed ${seed}: ${violation}\n`);
    }
    this.#console.print(`replay: ${replayCommand(this.#request, seed)}\n`);
  }
}

/** The command that runs one seed again, with what matters for its outcome. */
function replayCommand(request: SimRequest, seed: number): string {
  const mutant = request.mutant === undefined ? "" : ` --mutant ${request.mutant}`;
  const twice = request.isTwice ? " --twice" : "";
  return `pnpm sim --scenario ${request.scenario.name} --seed ${seed}${mutant}${twice}`;
}

function compare(first: SeedResult, second: SeedResult): SeedResult {
  if (first.hash === second.hash) return first;
  const violation = `the same seed gave two traces: hash ${first.hash}, then ${second.hash}`;
  return { ...first, violations: [...first.violations, violation] };
}

/** A run that threw is a violation, whatever it threw: the simulated world never fails by itself. */
function brokenResult(error: unknown): SeedResult {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const nothing = new Map<string, number>();
  return {
    violations: [`the run threw ${text}`],
    simulatedSeconds: 0,
    operations: 0,
    faults: nothing,
    probes: nothing,
    buggifySites: nothing,
    hash: "0".repeat(16),
  };
}

function titleOf(request: SimRequest, firstSeed: number): string {
  const { scenario, seeds, minutes, mutant, jobs } = request;
  const count = seeds === undefined ? "as many seeds as fit" : `${seeds} ${plural("seed", seeds)}`;
  return [
    `scenario ${scenario.name}, first seed ${firstSeed}, ${count}`,
    ...(minutes === undefined ? [] : [`at most ${minutes} min`]),
    ...(jobs === 1 ? [] : [`${jobs} processes`]),
    ...(mutant === undefined ? [] : [`sabotage ${mutant}`]),
    `Node ${process.versions.node}`,
  ].join(", ");
}

function textOf(summary: Summary): string {
  const { seeds, violations, operations, simulatedSeconds, hash } = summary;
  const lines = [
    `${seeds} ${plural("seed", seeds)}, ${violations} ${plural("violation", violations)}, ` +
      `${operations} operations in ${simulatedSeconds} simulated seconds`,
    `trace hash ${hash}`,
    ...crashesText(summary),
    ...countsText("faults", summary.faults),
    ...countsText("probes", summary.probes),
    ...countsText("rare branches", summary.buggifySites),
  ];
  return `${lines.join("\n")}\n`;
}

function crashesText({ faults, wallSeconds }: Summary): string[] {
  const points = faults[CRASH_POINTS] ?? 0;
  if (points === 0) return [];
  const perSecond = Math.round(points / Math.max(1, wallSeconds));
  return [
    `${points} crash points, ${faults[CRASH_POINTS_IN_RECOVERY]} of them in recovery, ` +
      `${faults[CRASH_IMAGES]} different images recovered; ${perSecond} crash points a second`,
  ];
}

function countsText(title: string, counts: Readonly<Record<string, number>>): string[] {
  const entries = Object.entries(counts);
  if (entries.length === 0) return [];
  return [`${title}: ${entries.map(([name, count]) => `${name} ${count}`).join(", ")}`];
}

function plural(word: string, count: number): string {
  return count === 1 ? word : `${word}s`;
}

function writeLines(path: string, lines: readonly string[]): void {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
}
