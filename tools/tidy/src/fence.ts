import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { type Finding } from "./finding.ts";
import { LAYERS } from "./layers.ts";
import { listProjects, type Project } from "./project.ts";
import { runCommand } from "./run-command.ts";
import { type SourceTree } from "./source-tree.ts";

/**
 * Lines that must not compile in a pure package: each reaches the outside world around the
 * environment.
 */
const POISON_LIST = "tools/tidy/poison.txt";

/** Compiles everywhere: shows that the compiler ran and read the file. */
const CONTROL = `export const control: number = [1, 2].map((each) => each + 1).length;`;

const CACHE_FOLDER = join("node_modules", ".cache", "tidy", "fence");
const POISON_FILE = "poison.ts";

/**
 * The determinism fence holds: in each pure package's own TypeScript project, together with its
 * sources, every poison line is a compile error.
 */
export async function checkFence(
  tree: SourceTree,
  root: string,
  stop: AbortSignal,
): Promise<Finding[]> {
  const poison = tree.read(POISON_LIST).trimEnd().split("\n");
  const findings: Finding[] = [];
  for (const project of listProjects(tree)) {
    if (project.kind !== "package" || LAYERS[project.name]?.isPure === false) continue;
    findings.push(...(await probe(project, poison, { root, stop })));
  }
  return findings;
}

async function probe(
  project: Project,
  poison: readonly string[],
  { root, stop }: { readonly root: string; readonly stop: AbortSignal },
): Promise<Finding[]> {
  const file = `${project.folder}/tsconfig.json`;
  const folder = join(root, CACHE_FOLDER, project.name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const packageFolder = relative(folder, join(root, project.folder));
  const config = {
    extends: `${packageFolder}/tsconfig.json`,
    compilerOptions: { noEmit: true, composite: false, incremental: false },
    files: [POISON_FILE],
    include: [`${packageFolder}/src`],
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  await writeFile(join(folder, POISON_FILE), [...poison, CONTROL, ""].join("\n"));
  const { output } = await runCommand("tsc", ["-p", ".", "--pretty", "false"], {
    cwd: folder,
    stop,
  });
  const rejected = findRejectedLines(output);
  if (rejected.has(poison.length + 1) || rejected.size === 0) {
    return [{ file, line: 1, message: `the fence could not be tried: ${output.trim()}` }];
  }
  return poison
    .filter((_, index) => !rejected.has(index + 1))
    .map((line) => ({
      file,
      line: 1,
      message: `the fence leaks: "${line}" compiles in ${project.name}`,
    }));
}

/** 1-based lines of the poison file that the compiler complains of. */
export function findRejectedLines(output: string): Set<number> {
  const rejected = new Set<number>();
  for (const match of output.matchAll(/^poison\.ts\((\d+),\d+\): error TS/gm)) {
    rejected.add(Number(match[1]));
  }
  return rejected;
}
