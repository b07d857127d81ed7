import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { compareText } from "./finding.ts";

/**
 * The files of a repository that people write, as text. Checks read it and nothing else, so a test
 * hands them a tree of a few lines.
 */
export class SourceTree {
  readonly #textOf: ReadonlyMap<string, string>;
  /** Paths relative to the root, with "/", sorted. */
  readonly files: readonly string[];

  constructor(textOf: ReadonlyMap<string, string>) {
    this.#textOf = textOf;
    this.files = [...textOf.keys()].toSorted(compareText);
  }

  /** The text of a file of `files`. */
  read(file: string): string {
    const text = this.#textOf.get(file);
    if (text === undefined) throw new Error(`${file} is not in the tree`);
    return text;
  }

  has(file: string): boolean {
    return this.#textOf.has(file);
  }

  /** Whether `path` is a file, or a folder that holds one; "" is the root. */
  exists(path: string): boolean {
    return path === "" || this.has(path) || this.files.some((file) => file.startsWith(`${path}/`));
  }
}

/** Made by tools or by installation; hidden folders are left out too, but for those named. */
const LEFT_OUT = new Set(["node_modules", "dist", "coverage", "kvs-data"]);
const HIDDEN_KEPT = new Set([".changeset", ".ci", ".github"]);
const LEFT_OUT_FILES = new Set(["pnpm-lock.yaml", "test-report.json"]);
/** Larger files are data, not writing. */
const FILE_MAX_BYTES = 1 << 20;

/** Reads the repository at `root`. Git is not asked, so files not yet added count too. */
export async function readSourceTree(root: string): Promise<SourceTree> {
  const textOf = new Map<string, string>();
  await readFolder(root, "", textOf);
  return new SourceTree(textOf);
}

async function readFolder(root: string, folder: string, into: Map<string, string>): Promise<void> {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      const isHidden = entry.name.startsWith(".") && !HIDDEN_KEPT.has(entry.name);
      if (!isHidden && !LEFT_OUT.has(entry.name)) await readFolder(root, path, into);
    } else if (entry.isFile() && !LEFT_OUT_FILES.has(entry.name)) {
      const bytes = await readFile(join(root, path));
      if (bytes.length <= FILE_MAX_BYTES) into.set(path, bytes.toString("utf8"));
    }
  }
}
