/**
 * `npm test`: every check of the repository and every test, in one command.
 *
 * Prints one line per step, the full output of failing steps only, and ends with
 * `N passed, N failed`, which counts checks and single tests.
 */
import { fileURLToPath } from "node:url";
import { runSteps } from "./run-steps.ts";
import { listSteps } from "./steps.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => stop.abort());
}

const isGreen = await runSteps(await listSteps(root, stop.signal), {
  print: (text) => console.log(text),
  stop: stop.signal,
});
process.exitCode = isGreen ? 0 : 1;
