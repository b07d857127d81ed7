import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunContext } from "./suite.ts";

/**
 * Several rows that are read off the same runs: whoever asks first makes them.
 *
 * @param name Of the file in the run's folder that keeps them.
 * @param number Which run, 0 first.
 * @param make Makes the next run. Its result is kept as JSON.
 */
export async function sharedRun<T>(
  context: RunContext,
  { name, number }: { readonly name: string; readonly number: number },
  make: () => Promise<T>,
): Promise<T> {
  const path = join(context.folder, `${name}.json`);
  const runs = existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as T[]) : [];
  while (runs.length <= number) {
    runs.push(await make());
    writeFileSync(path, JSON.stringify(runs));
  }
  return runs[number]!;
}
