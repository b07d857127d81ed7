import { execFileSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";

/** What the figures were measured on. */
export interface Machine {
  /** The commit in short, with `-dirty` if tracked files were changed; `unknown` without git. */
  readonly commit: string;
  /** Node's version, without the `v`. */
  readonly node: string;
  /** Processor, cores, memory and kernel, in one line. */
  readonly machine: string;
  /** Mean number of runnable threads in the minute before the run. */
  readonly loadBefore: number;
}

/** Describes this machine and this checkout. */
export function describeMachine(): Machine {
  const processors = cpus();
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  return {
    commit: currentCommit(),
    node: process.versions.node,
    machine: [
      processors[0]?.model.trim() ?? "unknown processor",
      `${processors.length} cores`,
      `${memoryGib} GiB`,
      `${process.platform} ${release()}`,
    ].join(", "),
    loadBefore: loadavg()[0]!,
  };
}

function currentCommit(): string {
  try {
    const head = git("rev-parse", "--short=12", "HEAD");
    return git("status", "--porcelain", "--untracked-files=no") === "" ? head : `${head}-dirty`;
  } catch {
    return "unknown"; // an exported tree has no history
  }
}

function git(...parameters: readonly string[]): string {
  const folder = import.meta.dirname;
  const output = execFileSync("git", parameters, {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return output.toString().trim();
}
