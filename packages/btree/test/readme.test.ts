import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const here = import.meta.dirname;

test("the example of the README runs", async () => {
  const readme = await readFile(join(here, "..", "README.md"), "utf8");
  const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```$/gms), (match) => match[1]!);
  expect(examples).toHaveLength(1);
  const folder = await mkdtemp(join(here, "readme-"));
  const root = await mkdtemp(join(tmpdir(), "kvs-btree-"));
  try {
    // The package is its own first user: its name stands for its entry.
    const source = examples[0]!
      .replaceAll('"@kvs/btree"', '"../../src/index.ts"')
      .replaceAll("{ root }", JSON.stringify({ root }));
    const file = join(folder, "example.mjs");
    await writeFile(file, source);
    await import(pathToFileURL(file).href);
  } finally {
    await rm(folder, { recursive: true });
    await rm(root, { recursive: true });
  }
});
