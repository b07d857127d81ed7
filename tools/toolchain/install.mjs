/**
 * Installs the workspace with the pinned pnpm, and says which environment runs its tools.
 *
 * A stamp in `node_modules` holds a hash of the lockfile and of every manifest: while it matches,
 * nothing is installed and no network is needed. Git is never asked: a release archive works too.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const STAMP_FILE = join("node_modules", ".kvs-toolchain.json");
const ROOT_MANIFESTS = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"];
const WORKSPACE_FOLDERS = ["packages", "apps", "tools"];

/**
 * Brings `node_modules` in line with the lockfile if it is not.
 *
 * @returns the folder of the pinned pnpm's executable.
 * @throws {Error} if the installation fails; pnpm's own words are on the terminal by then.
 */
export async function installToolchain(root) {
  const hash = hashManifests(root);
  const stamp = readStamp(root);
  const isFresh = stamp.hash === hash && existsSync(join(root, "node_modules", ".bin", "node"));
  if (isFresh && existsSync(join(stamp.pnpmDirectory, "pnpm"))) return stamp.pnpmDirectory;

  const pnpmPackage = pinnedPnpm(root);
  const pnpmDirectory = await locatePnpm(root, pnpmPackage);
  if (!isFresh) await install(root, pnpmDirectory);
  writeFileSync(join(root, STAMP_FILE), JSON.stringify({ hash, pnpmDirectory }));
  return pnpmDirectory;
}

/** The variables under which the pinned tools run. */
export function toolchainEnvironment(root, pnpmDirectory) {
  const path = [join(root, "node_modules", ".bin"), pnpmDirectory, process.env.PATH ?? ""];
  return { ...process.env, PATH: path.join(delimiter), TURBO_TELEMETRY_DISABLED: "1" };
}

function hashManifests(root) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of [...ROOT_MANIFESTS, ...workspaceManifests(root)]) {
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

function workspaceManifests(root) {
  const manifests = [];
  for (const folder of WORKSPACE_FOLDERS) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder)).toSorted()) {
      const manifest = join(folder, name, "package.json");
      if (existsSync(join(root, manifest))) manifests.push(manifest);
    }
  }
  return manifests;
}

/** What the last installation left, or empty words if there was none or its stamp is unreadable. */
function readStamp(root) {
  try {
    const { hash, pnpmDirectory } = JSON.parse(readFileSync(join(root, STAMP_FILE), "utf8"));
    return { hash: String(hash), pnpmDirectory: String(pnpmDirectory) };
  } catch {
    return { hash: "", pnpmDirectory: "" };
  }
}

function pinnedPnpm(root) {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  if (!/^pnpm@\d+\.\d+\.\d+$/.test(packageManager)) {
    throw new Error(`package.json: "packageManager" is ${packageManager}, not pnpm@X.Y.Z.`);
  }
  return packageManager;
}

/** Lets npx fetch the pinned pnpm into npm's own cache, and asks where it lies. */
async function locatePnpm(root, pnpmPackage) {
  const options = ["--yes", "--package", pnpmPackage, "--call", "command -v pnpm"];
  const output = await run("npx", options, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const executable = output.trim().split("\n").at(-1) ?? "";
  if (!executable.endsWith("pnpm")) throw new Error(`npx does not provide ${pnpmPackage}.`);
  return executable.slice(0, -"/pnpm".length);
}

async function install(root, pnpmDirectory) {
  console.error("Installing the pinned tools and dependencies …");
  const options = ["install", "--frozen-lockfile", "--reporter", "append-only"];
  // Standard output belongs to the command; the installation reports on standard error.
  await run(join(pnpmDirectory, "pnpm"), options, { cwd: root, stdio: ["ignore", 2, 2] });
}

/** @returns standard output, where `options` pipes it. */
function run(file, fileArguments, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, fileArguments, options);
    let output = "";
    child.stdout?.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => reject(new Error(`Cannot start ${file}: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`"${file} ${fileArguments.join(" ")}" ended with ${signal ?? code}.`));
    });
  });
}
