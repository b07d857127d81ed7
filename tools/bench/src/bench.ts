import { writeFileSync } from "node:fs";
import {
  type BenchRequest,
  UsageError,
  matchesFilters,
  parseArguments,
  unknownName,
} from "./command-line.ts";
import { describeMachine } from "./machine.ts";
import { type Report, toJson, toText } from "./report.ts";
import { rowIdsOf, runMeasures } from "./runner.ts";
import { type Suite } from "./suite.ts";

/** Where the command writes, and where it was called. */
export interface BenchConsole {
  readonly folder: string;
  print(text: string): void;
  /** Progress and mistakes: not part of the result. */
  warn(text: string): void;
}

/**
 * The whole command.
 *
 * @returns The exit code: 0 when it ran, also if peers were missing; 2 for a mistake in the call.
 */
export async function bench(
  given: readonly string[],
  suites: readonly Suite[],
  console: BenchConsole,
): Promise<number> {
  try {
    const request = parseArguments(given, suites, console.folder);
    const report = await runRequest(request, suites, console);
    console.print(toText(report));
    if (request.jsonPath !== undefined) writeFileSync(request.jsonPath, toJson(report));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (error.exitCode === 0) console.print(`${error.message}\n`);
    else console.warn(`${error.message}\n`);
    return error.exitCode;
  }
}

async function runRequest(
  request: BenchRequest,
  suites: readonly Suite[],
  console: BenchConsole,
): Promise<Report> {
  const { measures } = suites.find(({ name }) => name === request.suite)!;
  const { filters, peers, isQuick } = request;
  checkFilters(filters, rowIdsOf(measures));
  checkPeers(peers ?? [], [
    ...new Set(measures.flatMap((measure) => (measure.peers ?? []).map(({ name }) => name))),
  ]);
  const machine = describeMachine();
  const result = await runMeasures(measures, {
    isQuick,
    wantsRow: (id) => matchesFilters(id, filters),
    wantsPeer: (name) => peers === undefined || peers.includes(name),
    progress: (id) => console.warn(`measuring ${id}\n`),
  });
  return { suite: request.suite, machine, isQuick, ...result };
}

function checkFilters(filters: readonly string[], ids: readonly string[]): void {
  for (const filter of filters) {
    if (!ids.some((id) => matchesFilters(id, [filter]))) {
      throw new UsageError(unknownName("row", filter, ids));
    }
  }
}

function checkPeers(wanted: readonly string[], known: readonly string[]): void {
  for (const name of wanted) {
    if (!known.includes(name)) throw new UsageError(unknownName("peer", name, known));
  }
}
