import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { explain } from "./explain.ts";
import { createProgram } from "./program.ts";

const EXIT_FAILED = 1;
/** The command line is wrong. */
const EXIT_USAGE = 2;
const DASH_HINT = "(keys and values that begin with - stand behind --: kvsctl get -- -key)\n";

/** Runs the command that the command line asks for. */
export async function main(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(process.exitCode); // the reader has seen enough: `kvsctl scan | head`
    });
  }

  try {
    await createProgram(readVersion()).parseAsync(process.argv);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE; // it has said what is wrong
      if (error.code === "commander.unknownOption") process.stderr.write(DASH_HINT);
    } else {
      process.exitCode = EXIT_FAILED;
      process.stderr.write(`kvsctl: ${explain(error)}\n`);
    }
  }
}

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
