import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code!);

test("the README shows an example", () => {
  expect(examples.length).toBeGreaterThan(0);
});

test.each(examples.map((code, at) => [at + 1, code] as const))(
  "example %i of the README runs",
  (number, code) => {
    const path = fileURLToPath(new URL(`readme-example-${number}.ts`, import.meta.url));
    onTestFinished(() => rmSync(path, { force: true }));
    writeFileSync(path, code);

    const { status, stderr } = spawnSync(process.execPath, ["--no-warnings", path]);

    expect([status, String(stderr)]).toEqual([0, ""]);
  },
);
