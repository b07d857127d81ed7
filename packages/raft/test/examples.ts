/** Runs the examples of a document: the package is its own first user, so its names stand for its sources. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const here = import.meta.dirname;
const NAMES: readonly (readonly [string, string])[] = [
  ['"@kvs/raft"', '"../../src/index.ts"'],
  ['"@kvs/raft/wal"', '"../../src/wal/index.ts"'],
  ['"@kvs/raft/conformance"', '"../../src/conformance/index.ts"'],
];

/** The fenced blocks of a document whose info string is `info`, ready to be written to a file in `folder`. */
export async function examplesOf(document: string, info: string): Promise<string[]> {
  const text = await readFile(join(here, document), "utf8");
  const blocks = text.matchAll(/^```(.+)\n([^]*?)^```$/gm);
  return Array.from(blocks)
    .filter((match) => match[1] === info)
    .map((match) => {
      let source = match[2]!;
      for (const [name, path] of NAMES) source = source.replaceAll(name, path);
      return source;
    });
}

/** A folder beside the tests, from where the examples find what they import. */
export async function withExample<T>(
  source: string,
  body: (file: string, folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(here, "example-"));
  try {
    const file = join(folder, "example.ts");
    await writeFile(file, source);
    return await body(file, folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
