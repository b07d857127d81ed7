import { type CommandResult, runCommand } from "./run-command.ts";

const OPTIONS = [
  "--continue=dependencies-successful",
  "--concurrency=2",
  "--output-logs=errors-only",
  "--log-order=grouped",
  "--no-color",
];

/** What turbo says about itself; the failing task's own words stay. */
const CHATTER =
  /^\s*•|: cache (?:miss|hit)|: \$ |\[ELIFECYCLE\]|^\s*(?:Tasks|Cached|Time):|^\S+#\S+:\s+(?:WARNING|ERROR)|^\s*ERROR\s+run failed/;

/** Runs a turbo task in every project that has it, and keeps the output of failing ones. */
export async function runTurbo(
  task: string,
  root: string,
  stop: AbortSignal,
): Promise<CommandResult> {
  const result = await runCommand("turbo", ["run", task, ...OPTIONS], { cwd: root, stop });
  return { ...result, output: dropChatter(result.output) };
}

export function dropChatter(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "" && !CHATTER.test(line));
  return lines.join("\n");
}
