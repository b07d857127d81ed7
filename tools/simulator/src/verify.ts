/**
 * `pnpm verify:sim`, a step of `npm test`: seeds of every scenario from the first one on, as many as
 * fit into a short time, so that a run that was green stays green until something changes; turbo
 * keeps its result. The report says how many each of them ran. New seeds are what soaks are for: docs/testing.md.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runJobs } from "./jobs.ts";
import { scenarios } from "./registry.ts";
import { simulate } from "./simulate.ts";
import { type Summary } from "./tally.ts";

const FIRST_SEED = 1;
/** For all scenarios together. */
const MINUTES = 1;

const notes: string[] = [];
for (const { name } of scenarios) {
  const seed = FIRST_SEED;
  const minutes = MINUTES / scenarios.length;
  const given = ["--scenario", name, "--seed", String(seed), "--minutes", String(minutes)];
  let output = "";
  const print = (text: string): void => {
    output += text;
  };
  const exitCode = await simulate(
    [...given, "--json"],
    scenarios,
    { folder: process.cwd(), print, warn: print },
    runJobs,
  );
  if (exitCode !== 0) {
    process.exitCode = 1;
    console.log(output);
  }
  const summary = JSON.parse(output.trimEnd().split("\n").at(-1)!) as Summary;
  notes.push(`${name} ${summary.seeds} seeds from ${seed}, ${summary.violations} violations`);
}
writeFileSync(join(import.meta.dirname, "..", "simulate-report.txt"), `${notes.join("; ")}\n`);
console.log(notes.join("; "));
