import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Ending } from "@kvs/server-app/testing";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

export interface RunOptions {
  readonly cwd: string;
  readonly input?: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** Called with standard error so far, and a way to send a signal. */
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the real kvsctl in a process of its own. */
export async function runKvsctl(words: readonly string[], options: RunOptions): Promise<Ending> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"], ...options.variables },
  });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
      if (name === "stderr") options.onStderr?.(written.stderr, (signal) => child.kill(signal));
    });
  }
  child.stdin.on("error", () => undefined); // it may end before it has read everything
  child.stdin.end(options.input ?? "");
  const [exitCode] = (await once(child, "close")) as [number | null];
  return { exitCode, ...written };
}
