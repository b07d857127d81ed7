#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { isKvsError } from "@kvs/env";
import { createProgram } from "./program.ts";
import { CommandFailure } from "./session.ts";

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0); // the reader has seen enough: `kvsctl scan | head`
  throw error;
});

try {
  await createProgram(readVersion()).parseAsync(process.argv);
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`kvsctl: ${explain(error)}\n`);
}

function explain(error: unknown): string {
  if (error instanceof CommandFailure) return error.message;
  if (!isKvsError(error))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const hint = error.retryable ? " (trying again later may help)" : "";
  const doubt =
    error.outcome === "unknown" ? "\n  it may have happened or not: look before you repeat" : "";
  return `${error.message}${hint}${doubt}`;
}

function readVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
