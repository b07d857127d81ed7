import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const here = import.meta.dirname;

test("the examples of the README run", async () => {
  const readme = await readFile(join(here, "..", "README.md"), "utf8");
  const examples = Array.from(readme.matchAll(/^```ts\n(.*?)^```$/gms), (match) => match[1]!);
  expect(examples).toHaveLength(1);
  const folder = await mkdtemp(join(here, "readme-"));
  try {
    for (const [position, example] of examples.entries()) {
      const file = join(folder, `example-${position}.mjs`);
      await writeFile(file, example);
      await import(pathToFileURL(file).href);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
