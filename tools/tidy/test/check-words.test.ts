import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checkWords, WORDS_FILE } from "../src/check-words.ts";
import { shown, treeOf } from "./tree.ts";

const words = readFileSync(new URL("../words.json", import.meta.url), "utf8");

function check(files: Readonly<Record<string, string>>): string[] {
  return shown(checkWords(treeOf({ ...files, [WORDS_FILE]: words })));
}

test.each([
  "a blazing fast store",
  "Seamlessly moves data",
  "we leverage pages",
  "// TODO: later",
  "// FIXME",
  "throw new Error('not implemented')",
  'const file = "/root/data"',
])("%j is found", (line) => {
  const found = check({ "packages/wal/src/wal.ts": `// fine\n${line}\n` });

  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(/^packages\/wal\/src\/wal\.ts:2 /);
});

test.each([
  "// TODO(#12): cut the tail",
  "a powerfully built sentence",
  "a hack is a cough",
  "https://example.org/root/x",
  "a session of the client",
])("%j is fine", (line) => {
  expect(check({ "a.ts": line })).toEqual([]);
});

test.each([
  "src/utils.ts",
  "src/page-utils.ts",
  "src/helpers/a.ts",
  "src/lock-manager.ts",
  "types.ts",
])("the name %s is found", (file) => {
  expect(check({ [file]: "" })).toHaveLength(1);
});

test.each(["src/shared-lock.ts", "src/common-prefix.ts", "src/page-type.ts"])(
  "the name %s is fine",
  (file) => {
    expect(check({ [file]: "" })).toEqual([]);
  },
);
