/**
 * `pnpm verify:sim`, a step of `npm test`: new seeds of every scenario, as many as fit into a short
 * time. Its last line says how many each of them ran.
 */
import { randomInt } from "node:crypto";
import { runJobs } from "./jobs.ts";
import { scenarios } from "./registry.ts";
import { simulate } from "./simulate.ts";
import { type Summary } from "./tally.ts";

/** For all scenarios together. */
const MINUTES = 1;

const notes: string[] = [];
for (const { name } of scenarios) {
  const seed = randomInt(2 ** 32);
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
console.log(notes.join("; "));
