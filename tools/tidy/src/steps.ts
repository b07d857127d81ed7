import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CheckContext, CHECKS } from "./checks.ts";
import { describeFindings } from "./finding.ts";
import { listProjects } from "./project.ts";
import { type CommandResult, runCommand } from "./run-command.ts";
import { type Step, type StepResult } from "./run-steps.ts";
import { readSourceTree } from "./source-tree.ts";
import { removeTestReports, sumTestReports } from "./test-reports.ts";
import { runTurbo } from "./turbo.ts";

/** Root scripts of this prefix are further steps: `verify:sim` runs simulations. */
const SCRIPT_PREFIX = "verify:";

/** The steps of `npm test`, cheap ones first. */
export async function listSteps(root: string, stop: AbortSignal): Promise<Step[]> {
  const tree = await readSourceTree(root);
  const context: CheckContext = { tree, root, stop };
  const command = (name: string, program: string, ...programArguments: string[]): Step => ({
    name,
    run: async () => asCheck(await runCommand(program, programArguments, { cwd: root, stop })),
  });
  const task = (name: string, turboTask: string): Step => ({
    name,
    run: async () => asCheck(await runTurbo(turboTask, root, stop)),
  });
  return [
    command("format", "oxfmt", "--check"),
    command("lint", "oxlint", "--type-aware", "--deny-warnings"),
    task("types", "types"),
    ...CHECKS.map(({ name, check }) => ({
      name,
      run: async () => describeFindings(await check(context)),
    })),
    command("unused", "knip", "--no-progress", "--no-config-hints"),
    task("packages", "package"),
    { name: "tests", run: () => runTests(root, stop) },
    ...(await listScriptSteps(root, stop)),
  ];
}

function asCheck({ exitCode, output }: CommandResult): StepResult {
  return exitCode === 0 ? { passed: 1, failed: 0, output } : { passed: 0, failed: 1, output };
}

async function runTests(root: string, stop: AbortSignal): Promise<StepResult> {
  const tree = await readSourceTree(root);
  const projects = listProjects(tree)
    .filter((project) => project.manifest.scripts?.["test"] !== undefined)
    .map(({ folder }) => folder);
  await removeTestReports(root, projects);
  const { exitCode, output } = await runTurbo("test", root, stop);
  const sum = await sumTestReports(root, projects);
  // Turbo may fail before or beside any test; its failure must not be lost.
  const failed = sum.failed === 0 && exitCode !== 0 ? 1 : sum.failed;
  return { ...sum, failed, output: `${output}\n${sum.output}` };
}

async function listScriptSteps(root: string, stop: AbortSignal): Promise<Step[]> {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
    readonly scripts?: Readonly<Record<string, string>>;
  };
  const names = Object.keys(manifest.scripts ?? {}).filter((name) =>
    name.startsWith(SCRIPT_PREFIX),
  );
  return names.map((name) => ({
    name: name.slice(SCRIPT_PREFIX.length),
    run: () => runScript(name, root, stop),
  }));
}

async function runScript(name: string, cwd: string, stop: AbortSignal): Promise<StepResult> {
  return judgeScript(await runCommand("pnpm", ["--silent", "run", name], { cwd, stop }));
}

/** A script's last line is its note; `N passed, N failed` there is counted as such. */
export function judgeScript({ exitCode, output }: CommandResult): StepResult {
  const note = output.trimEnd().split("\n").at(-1) ?? "";
  const counts = /^(\d+) passed, (\d+) failed$/.exec(note);
  const isGreen = exitCode === 0;
  const passed = counts === null ? Number(isGreen) : Number(counts[1]);
  const failed = counts === null ? 0 : Number(counts[2]);
  return { passed, failed: isGreen ? failed : Math.max(failed, 1), note, output };
}
