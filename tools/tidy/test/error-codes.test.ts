import { expect, test } from "vitest";
import { checkErrorCodes, ERRORS_FILE, renderErrors } from "../src/error-codes.ts";
import { manifestOf, shown, treeOf } from "./tree.ts";

const project = { "packages/wal/package.json": manifestOf("wal") };

const documented = [
  "/**",
  " * Codes of the log.",
  " *",
  " * - `WAL_FULL` (retryable): the log has no room;",
  " *   free some.",
  " * - `WAL_TORN`: the tail is torn.",
  " */",
  'export type WalErrorCode = "WAL_FULL" | "WAL_TORN";',
].join("\n");

function check(files: Readonly<Record<string, string>>): string[] {
  const sources = treeOf({ ...project, ...files });
  return shown(
    checkErrorCodes(treeOf({ ...project, ...files, [ERRORS_FILE]: renderErrors(sources) })),
  );
}

test("documented codes become a table", () => {
  const text = renderErrors(treeOf({ ...project, "packages/wal/src/wal-error.ts": documented }));

  expect(text).toContain("## @kvs/wal");
  expect(text).toContain("| `WAL_FULL` | yes | the log has no room; free some. |");
  expect(text).toContain("| `WAL_TORN` | no | the tail is torn. |");
});

test("documented codes are fine, wherever they are thrown", () => {
  const thrower = 'throw new KvsError("WAL_TORN", "text", { outcome: "none" });';

  expect(
    check({ "packages/wal/src/wal-error.ts": documented, "packages/wal/src/wal.ts": thrower }),
  ).toEqual([]);
});

test("a code that nobody explains is found, thrown or declared", () => {
  const found = check({
    "packages/wal/src/a.ts": '\nthrow new KvsError(\n  "WAL_LOST", "text");',
    "packages/wal/src/b.ts": 'export type OtherErrorCode =\n  | "WAL_GONE";',
  });

  expect(found.map((each) => each.split(" is not")[0])).toEqual([
    "packages/wal/src/a.ts:3 WAL_LOST",
    "packages/wal/src/b.ts:2 WAL_GONE",
  ]);
});

test("a name that is no code is found", () => {
  expect(check({ "packages/wal/src/a.ts": 'new KvsError("lost", "text")' })).toHaveLength(1);
});

test("tests may use any code", () => {
  expect(check({ "packages/wal/test/a.test.ts": 'new KvsError("X_Y", "text")' })).toEqual([]);
});

test("a page that is out of date is found", () => {
  const tree = treeOf({
    ...project,
    "packages/wal/src/wal-error.ts": documented,
    [ERRORS_FILE]: "# Errors\n",
  });

  expect(shown(checkErrorCodes(tree))).toEqual([
    'docs/errors.md:1 is out of date: run "pnpm errors"',
  ]);
});
