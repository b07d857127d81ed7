import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { readSourceTree } from "../src/source-tree.ts";
import { treeOf } from "./tree.ts";

test("a tree on disk is read without what tools made", async () => {
  const root = await mkdtemp(join(tmpdir(), "tidy-"));
  try {
    for (const file of ["a/b.ts", ".ci/run", "a/dist/b.js", "node_modules/x.js", ".git/x", "z"]) {
      await mkdir(dirname(join(root, file)), { recursive: true });
      await writeFile(join(root, file), file);
    }

    const tree = await readSourceTree(root);

    expect(tree.files).toEqual([".ci/run", "a/b.ts", "z"]);
    expect(tree.read("a/b.ts")).toBe("a/b.ts");
  } finally {
    await rm(root, { recursive: true });
  }
});

test("a folder exists if it holds a file", () => {
  const tree = treeOf({ "a/b/c.ts": "" });

  expect(["", "a", "a/b", "a/b/c.ts"].every((path) => tree.exists(path))).toBe(true);
  expect(["b", "a/b/c", "a/"].some((path) => tree.exists(path))).toBe(false);
});

test("a file that is not there cannot be read", () => {
  expect(() => treeOf({}).read("a.ts")).toThrow("a.ts");
});
