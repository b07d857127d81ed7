import { mkdir, mkdtemp, readFile, rm, writeFile, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCommand } from "../src/run-command.ts";

const TOOLCHAIN = join(import.meta.dirname, "..", "..", "toolchain");

let root = "";

/** A workspace whose `npx` and `pnpm` only note that they were called. */
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "toolchain-"));
  const manifest = { packageManager: "pnpm@1.2.3" };
  await writeFile(join(root, "package.json"), JSON.stringify(manifest));
  await writeFile(join(root, "pnpm-lock.yaml"), "lock");
  await writeFile(join(root, "pnpm-workspace.yaml"), "packages");
  const bin = join(root, "bin");
  await mkdir(bin);
  await script(join(bin, "npx"), `echo "npx $3" >> calls; echo ${bin}/pnpm`);
  await script(
    join(bin, "pnpm"),
    "echo pnpm $1 >> calls; mkdir -p node_modules/.bin; touch node_modules/.bin/node",
  );
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

async function script(file: string, body: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${body}\n`);
  await chmod(file, 0o755);
}

async function install(): Promise<string> {
  const module = JSON.stringify(join(TOOLCHAIN, "install.mjs"));
  const code = `process.env.PATH = ${JSON.stringify(join(root, "bin"))} + ":" + process.env.PATH;
    const { installToolchain } = await import(${module});
    console.log(await installToolchain(${JSON.stringify(root)}));`;
  const { output } = await runCommand("node", ["--input-type=module", "-e", code], { cwd: root });
  return output;
}

async function calls(): Promise<string[]> {
  return (await readFile(join(root, "calls"), "utf8")).trim().split("\n");
}

test("the first run installs with the pinned pnpm, the second does nothing", async () => {
  expect(await install()).toContain(join(root, "bin"));
  expect(await calls()).toEqual(["npx pnpm@1.2.3", "pnpm install"]);

  expect(await install()).toBe(`${join(root, "bin")}\n`);
  expect(await calls()).toHaveLength(2);
});

test.each(["package.json", "pnpm-lock.yaml", "tools/x/package.json"])(
  "a change of %s installs anew",
  async (file) => {
    await install();

    await mkdir(join(root, "tools", "x"), { recursive: true });
    await writeFile(join(root, file), JSON.stringify({ packageManager: "pnpm@1.2.3", a: 1 }));
    await install();

    expect(await calls()).toHaveLength(4);
  },
);

test("an unknown command is refused before anything is installed", async () => {
  const run = join(TOOLCHAIN, "run.mjs");

  const { exitCode, output } = await runCommand("node", [run, "nonsense"], { cwd: root });

  expect(exitCode).toBe(2);
  expect(output).toContain('Unknown command "nonsense"');
});
