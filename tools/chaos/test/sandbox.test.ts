import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Sandbox, run, tryRun } from "../src/sandbox.ts";

const SANDBOX = new URL("../src/sandbox.ts", import.meta.url).href;

test("what was done is undone backwards, once, and the folder goes", () => {
  const sandbox = Sandbox.create();
  const undone: string[] = [];
  sandbox.later(() => undone.push("first"));
  const early = sandbox.later(() => undone.push("second"));
  sandbox.later(() => undone.push("third"));
  writeFileSync(join(sandbox.makeFolder("a/b"), "file"), "");

  early();
  early();
  sandbox.clean();
  sandbox.clean();

  expect(undone).toEqual(["second", "third", "first"]);
  expect(existsSync(sandbox.folder)).toBe(false);
});

test("a process that exits early leaves no sandbox behind", () => {
  const script = `
    const { Sandbox } = await import(${JSON.stringify(SANDBOX)});
    process.stdout.write(Sandbox.create().folder);
    process.exit(130);
  `;

  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
  });

  expect(status).toBe(130);
  expect(stdout).toContain("kvs-chaos-");
  expect(existsSync(stdout)).toBe(false);
});

test("a program that fails is an error with its complaint, or an answer", () => {
  expect(run("echo", "said")).toBe("said\n");
  expect(() => run("ls", "/no-such-folder")).toThrow(/ls \/no-such-folder: .*no-such-folder/);
  expect(() => run("no-such-program")).toThrow("no-such-program");
  expect(tryRun("true")).toBe(true);
  expect(tryRun("false")).toBe(false);
});
