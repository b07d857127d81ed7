import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { type SimRequest } from "./command-line.ts";
import { type Summary } from "./tally.ts";

/** Runs a request in several processes and returns what each of them counted. */
export type RunJobs = (
  request: SimRequest,
  firstSeed: number,
  printLine: (line: string) => void,
) => Promise<Summary[]>;

/** Starts `request.jobs` processes of this program; each takes every so many-th seed. */
export const runJobs: RunJobs = async (request, firstSeed, printLine) => {
  const jobs = Array.from({ length: request.jobs }, (_, job) =>
    argumentsOf(request, firstSeed, job),
  );
  const started = jobs.filter((given) => given !== undefined);
  return Promise.all(started.map((given) => runJob(given, printLine)));
};

/** The arguments of one job, or `undefined` if there are fewer seeds than jobs. */
export function argumentsOf(
  request: SimRequest,
  firstSeed: number,
  job: number,
): string[] | undefined {
  const { scenario, seeds, stride, jobs, minutes, mutant, isTwice } = request;
  const share = seeds === undefined ? undefined : Math.ceil((seeds - job) / jobs);
  if (share !== undefined && share < 1) return undefined;
  return [
    "--scenario",
    scenario.name,
    "--seed",
    String(firstSeed + job * stride),
    "--stride",
    String(stride * jobs),
    "--json",
    ...(share === undefined ? [] : ["--seeds", String(share)]),
    ...(minutes === undefined ? [] : ["--minutes", String(minutes)]),
    ...(mutant === undefined ? [] : ["--mutant", mutant]),
    ...(isTwice ? ["--twice"] : []),
  ];
}

/** Passes on a job's violations and returns its closing line. */
async function runJob(
  given: readonly string[],
  printLine: (line: string) => void,
): Promise<Summary> {
  const program = join(import.meta.dirname, "main.ts");
  const child = spawn(process.execPath, [program, ...given], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  let summary: Summary | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith("{")) summary = JSON.parse(line) as Summary;
    else if (!line.startsWith("scenario ")) printLine(line);
  }
  const exitCode = await ended;
  if (summary === undefined) throw new Error(`a job ended with exit code ${exitCode}, unfinished`);
  return summary;
}
