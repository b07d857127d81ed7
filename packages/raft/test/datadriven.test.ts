import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runDataDriven } from "@kvs/sim";
import { expect, test } from "vitest";

import { scriptHandler } from "./script-commands.ts";

const folder = join(import.meta.dirname, "datadriven");
const files = (await readdir(folder)).filter((file) => file.endsWith(".txt")).toSorted();

for (const file of files) {
  test(`the trace of ${file} is as written`, async () => {
    const text = await readFile(join(folder, file), "utf8");
    const rewrite = process.env["KVS_REWRITE"] !== undefined;
    const result = runDataDriven(text, scriptHandler(), { file, rewrite });
    if (rewrite) await writeFile(join(folder, file), result.text);

    expect(result.failures.join("\n\n")).toBe("");
  });
}
