import { resolve } from "node:path";
import { runJobs } from "./jobs.ts";
import { scenarios } from "./registry.ts";
import { simulate } from "./simulate.ts";

process.exitCode = await simulate(
  process.argv.slice(2),
  scenarios,
  {
    folder: callersFolder(),
    print: (text) => process.stdout.write(text),
    warn: (text) => process.stderr.write(text),
  },
  runJobs,
);

/** A script of the package manager runs in the workspace's root; files are meant from the caller's. */
function callersFolder(): string {
  const root = resolve(import.meta.dirname, "../../..");
  return process.cwd() === root ? (process.env["INIT_CWD"] ?? root) : process.cwd();
}
