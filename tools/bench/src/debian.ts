import { spawnSync } from "node:child_process";

/** Runs a program and tells whether it ended well: replaceable, so that tests install nothing. */
export type RunProgram = (program: string, parameters: readonly string[]) => boolean;

export interface InstallOptions {
  readonly isRoot?: boolean;
  readonly runProgram?: RunProgram;
}

/** `apt-get` may have to load lists and packages; after this it hangs. */
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/**
 * Makes sure that a program of a Debian package is there: looks for it, and installs the package
 * if this process may.
 *
 * @returns Why the program is not there, or `undefined` if it is.
 */
export function ensureProgram(
  program: string,
  debianPackage: string,
  options: InstallOptions = {},
): string | undefined {
  const runProgram = options.runProgram ?? runQuietly;
  const isThere = (): boolean => runProgram("sh", ["-c", `command -v ${program}`]);
  if (isThere()) return undefined;
  if (!(options.isRoot ?? process.getuid?.() === 0)) {
    return `${program} is not installed (apt-get install ${debianPackage})`;
  }
  const install = ["install", "--yes", "--no-install-recommends", debianPackage];
  const isInstalled =
    runProgram("apt-get", install) ||
    (runProgram("apt-get", ["update"]) && runProgram("apt-get", install));
  if (isInstalled && isThere()) return undefined;
  return `${program} could not be installed (apt-get install ${debianPackage} failed)`;
}

function runQuietly(program: string, parameters: readonly string[]): boolean {
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const result = spawnSync(program, parameters, {
    stdio: "ignore",
    timeout: INSTALL_TIMEOUT_MS,
    env: environment,
  });
  return result.status === 0;
}
