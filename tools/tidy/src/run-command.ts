import { spawn } from "node:child_process";
import { stripVTControlCharacters } from "node:util";

export interface CommandResult {
  readonly exitCode: number;
  /** Standard output and standard error as they came, without colours. */
  readonly output: string;
}

export interface CommandOptions {
  readonly cwd: string;
  /** Aborting ends the command with SIGTERM. */
  readonly stop?: AbortSignal;
}

/** A step that takes longer hangs: all of `npm test` may take 20 minutes. */
const COMMAND_MAX_MS = 15 * 60_000;

/** What would make the same check print or decide differently on another machine. */
const DROPPED_VARIABLES = ["CI", "FORCE_COLOR", "NODE_OPTIONS"];

/** Runs a program found on PATH. A program that cannot start has exit code 127. */
export function runCommand(
  program: string,
  programArguments: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const environment: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
  for (const name of DROPPED_VARIABLES) delete environment[name];
  return new Promise((resolve) => {
    const child = spawn(program, programArguments, {
      cwd: options.cwd,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: COMMAND_MAX_MS,
      ...(options.stop === undefined ? {} : { signal: options.stop }),
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    const finish = (exitCode: number, remark: string): void => {
      const output = stripVTControlCharacters(Buffer.concat(chunks).toString("utf8"));
      resolve({ exitCode, output: remark === "" ? output : `${output}\n${remark}\n` });
    };
    child.on("error", (error) => finish(127, `${program}: ${error.message}`));
    child.on("close", (code, signal) => {
      finish(code ?? 1, signal === null ? "" : `${program} was ended by ${signal}`);
    });
  });
}
