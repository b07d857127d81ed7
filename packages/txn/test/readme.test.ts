import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const here = import.meta.dirname;

test("the examples of the README run", async () => {
  const readme = await readFile(join(here, "..", "README.md"), "utf8");
  const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```$/gms), (match) => match[1]!);
  expect(examples).toHaveLength(2);
  const folder = await mkdtemp(join(here, "readme-"));
  try {
    for (const [position, example] of examples.entries()) {
      // The package is its own first user: its name stands for its entry.
      const source = example.replaceAll('"@kvs/txn"', '"../../src/index.ts"');
      const file = join(folder, `example-${position}.ts`);
      await writeFile(file, source);
      await import(pathToFileURL(file).href);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
