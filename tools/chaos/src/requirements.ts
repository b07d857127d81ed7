import { existsSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tryRun } from "./sandbox.ts";

/** `apt-get` may have to load lists and packages; after this it hangs. */
const INSTALL_TIMEOUT_MS = 5 * 60_000;

/** Whether mounts and loop devices can be made. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Makes sure that a program is there, installing its Debian package where this process may.
 *
 * @returns Why it is not there, or `undefined` if it is.
 */
export function lackOfProgram(program: string, debianPackage: string): string | undefined {
  return lackOf(program, debianPackage, () => tryRun("sh", "-c", `command -v ${program}`));
}

/**
 * Finds a library that Debian keeps in the folder of its architecture, installing its package where
 * this process may.
 *
 * @returns Its path, or `undefined` if it cannot be had.
 */
export function findLibrary(name: string, debianPackage: string): string | undefined {
  const places = ["x86_64-linux-gnu", "aarch64-linux-gnu", "."].map(
    (folder) => `/usr/lib/${folder}/${name}`,
  );
  const find = (): string | undefined => places.find((place) => existsSync(place));
  if (lackOf(name, debianPackage, () => find() !== undefined) !== undefined) return undefined;
  return find();
}

function lackOf(name: string, debianPackage: string, isThere: () => boolean): string | undefined {
  if (isThere()) return undefined;
  if (!isRoot()) return `${name} is not installed (apt-get install ${debianPackage})`;
  if (!install(debianPackage)) {
    aptGet("update");
    install(debianPackage);
  }
  if (isThere()) return undefined;
  return `${name} could not be installed (apt-get install ${debianPackage} failed)`;
}

function install(debianPackage: string): boolean {
  return aptGet("install", "--yes", "--no-install-recommends", debianPackage);
}

function aptGet(...parameters: readonly string[]): boolean {
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const options = { stdio: "ignore", timeout: INSTALL_TIMEOUT_MS, env: environment } as const;
  return spawnSync("apt-get", parameters, options).status === 0;
}
