/**
 * Runs a command of this repository with the pinned tools, on a machine that has only Node.js ≥ 20
 * and npm:
 *
 *     node tools/toolchain/run.mjs COMMAND [ARGUMENTS…]
 *
 * 1. Installs what the lockfile names, with the pinned pnpm, unless nothing changed since last time.
 * 2. Puts `node_modules/.bin` (the pinned Node.js, turbo, vitest, …) and pnpm first on PATH.
 * 3. Runs the command's entry with the pinned Node.js, hands signals on and ends as it ends.
 *
 * Plain JavaScript without dependencies: it runs before anything is installed, on an older Node.js
 * than the rest.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installToolchain, toolchainEnvironment } from "./install.mjs";

/** What each command runs, relative to the root. */
const COMMANDS = {
  verify: ["tools/tidy/src/verify.ts"],
};

const FORWARDED_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

const root = fileURLToPath(new URL("../..", import.meta.url));
const [command = "", ...commandArguments] = process.argv.slice(2);
const entry = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
if (entry === undefined) {
  const known = Object.keys(COMMANDS).join(", ");
  console.error(`Unknown command "${command}". Known commands: ${known}.`);
  process.exit(2);
}

try {
  const pnpmDirectory = await installToolchain(root);
  const node = join(root, "node_modules", ".bin", "node");
  runInPlace(node, [...entry, ...commandArguments], toolchainEnvironment(root, pnpmDirectory));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

/** Stands in for `exec`, which this Node.js lacks: same streams, same signals, same end. */
function runInPlace(file, fileArguments, environment) {
  const child = spawn(file, fileArguments, { cwd: root, env: environment, stdio: "inherit" });
  for (const signal of FORWARDED_SIGNALS) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`Cannot start ${file}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1;
      return;
    }
    for (const each of FORWARDED_SIGNALS) process.removeAllListeners(each);
    process.kill(process.pid, signal);
  });
}
