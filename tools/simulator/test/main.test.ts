import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type Summary } from "../src/tally.ts";

const run = promisify(execFile);
const program = join(import.meta.dirname, "../src/main.ts");

async function sim(given: readonly string[], cwd = tmpdir()): Promise<string> {
  return (await run(process.execPath, [program, ...given], { cwd })).stdout;
}

function summaryOf(output: string): Summary {
  return JSON.parse(output.trimEnd().split("\n").at(-1)!) as Summary;
}

test("two processes count what one counts", async () => {
  const given = ["--scenario", "env", "--seed", "7", "--seeds", "4", "--json"];

  const alone = summaryOf(await sim(given));
  const shared = summaryOf(await sim([...given, "--jobs", "2"]));

  expect(alone.seeds).toBe(4);
  expect({ ...shared, wallSeconds: 0 }).toEqual({ ...alone, wallSeconds: 0 });
}, 60_000);

test("files are written where the caller is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kvs-sim-main-"));
  try {
    await sim(["--scenario", "env", "--seed", "5", "--history", "history.jsonl"], folder);

    const first = readFileSync(join(folder, "history.jsonl"), "utf8").split("\n")[0]!;
    expect(JSON.parse(first)).toMatchObject({ index: 0, type: "invoke", f: "read" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);

test("a caught sabotage ends with exit code 1", async () => {
  const given = ["--scenario", "env", "--seed", "1", "--seeds", "3"];
  const mutant = sim([...given, "--mutant", "env.skip-datasync"]);

  await expect(mutant).rejects.toMatchObject({ code: 1 });
}, 60_000);
