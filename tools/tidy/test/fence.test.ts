import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkFence, findRejectedLines } from "../src/fence.ts";
import { manifestOf, shown, treeOf } from "./tree.ts";

const POISON = "tools/tidy/poison.txt";
const poison = ['import * as nodeFs from "node:fs"; export { nodeFs };', "process.exit(1);"];

let root = "";

// Inside the repository, where the compiler finds Node's types if a project asks for them.
beforeEach(async () => {
  root = await mkdtemp(join(import.meta.dirname, ".fence-"));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

async function check(compilerOptions: object, lines = poison, source = ""): Promise<string[]> {
  const files = {
    "packages/wal/package.json": manifestOf("wal"),
    "packages/wal/tsconfig.json": JSON.stringify({
      compilerOptions: { target: "ES2024", lib: ["ES2024"], strict: true, ...compilerOptions },
    }),
    "packages/wal/src/wal.ts": source,
    [POISON]: `${lines.join("\n")}\n`,
  };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), text);
  }
  return shown(await checkFence(treeOf(files), root, new AbortController().signal));
}

test("a package without Node's types is fenced", async () => {
  expect(await check({ types: [] })).toEqual([]);
});

test("a package with Node's types leaks, line by line", async () => {
  expect(await check({ types: ["node"] }, [...poison, "window.alert(1);"])).toEqual([
    `packages/wal/tsconfig.json:1 the fence leaks: "${poison[0]}" compiles in wal`,
    `packages/wal/tsconfig.json:1 the fence leaks: "${poison[1]}" compiles in wal`,
  ]);
});

test("a source that declares a global for all leaks it", async () => {
  const source = "export {};\ndeclare global {\n  var process: { exit(code: number): void };\n}\n";

  expect(await check({ types: [] }, poison, source)).toHaveLength(1);
});

test("a project in which nothing compiles is no proof", async () => {
  const [found] = await check({ types: [], lib: [] });

  expect(found).toContain("could not be tried");
});

test("only errors of the poison file count", () => {
  const output = "poison.ts(3,1): error TS2304: x\nwal.ts(1,1): error TS1: y\npoison.ts(9,2): hm";

  expect([...findRejectedLines(output)]).toEqual([3]);
});
