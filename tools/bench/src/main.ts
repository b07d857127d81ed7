import { resolve } from "node:path";
import { bench } from "./bench.ts";
import { suites } from "./registry.ts";

process.exitCode = await bench(process.argv.slice(2), suites, {
  folder: callersFolder(),
  print: (text) => process.stdout.write(text),
  warn: (text) => process.stderr.write(text),
});

/** A script of the package manager runs in the workspace's root; files are meant from the caller's. */
function callersFolder(): string {
  const root = resolve(import.meta.dirname, "../../..");
  return process.cwd() === root ? (process.env["INIT_CWD"] ?? root) : process.cwd();
}
