/**
 * `pnpm sim:determinism`: the same seeds under the pinned Node and under the oldest one that users
 * may have. Every event of every run must be the same.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { scenarios } from "./registry.ts";
import { type Summary } from "./tally.ts";

/** The npm package `node` at this version is the other engine. */
const OTHER_NODE = "node@22.23.3";
const SEEDS = 20;

const program = join(import.meta.dirname, "main.ts");
let isGreen = true;
for (const { name } of scenarios) {
  const given = [program, "--scenario", name, "--seed", "1", "--seeds", String(SEEDS), "--json"];
  const here = hashOf(process.execPath, given);
  const there = hashOf("npx", ["--yes", OTHER_NODE, ...given]);
  isGreen &&= here === there;
  const verdict = here === there ? "the same" : "DIFFERENT";
  console.log(`${name}: ${SEEDS} seeds, ${verdict}: ${here} here, ${there} on ${OTHER_NODE}`);
}
process.exitCode = isGreen ? 0 : 1;

function hashOf(command: string, given: readonly string[]): string {
  const output = execFileSync(command, given, { stdio: ["ignore", "pipe", "inherit"] }).toString();
  return (JSON.parse(output.trimEnd().split("\n").at(-1)!) as Summary).hash;
}
