import { expect, test } from "vitest";
import { checkDocuments } from "../src/check-documents.ts";
import { manifestOf, shown, treeOf } from "./tree.ts";

const decision = "# 1. T\n\n## Context\n\n## Decision\n\n## Alternatives\n\n## Consequences\n";

function check(files: Readonly<Record<string, string>>): string[] {
  return shown(checkDocuments(treeOf(files)));
}

function at(name: string): string {
  return `docs/decisions/${name}`;
}

function table(...terms: string[]): string {
  const rows = terms.map((term) => `| ${term} | x |\n`).join("");
  return `| term | meaning |\n|---|---|\n${rows}\n`;
}

function row(...cells: string[]): Readonly<Record<string, string>> {
  const header = "| id | r | state | where | test | figure |\n|---|---|---|---|---|---|\n";
  return { "a.ts": "", "docs/requirements.md": `${header}| ${cells.join(" | ")} |\n` };
}

test("links to files, folders, headings and the web are fine", () => {
  const files = {
    "README.md":
      "[a](docs/a.md) [b](docs) [c](docs/a.md#the-wal-rule) [d](https://x.y/z) [e](#top)\n# Top",
    "docs/a.md": "# The `WAL` rule\n[up](../README.md) [self](a.md)",
  };

  expect(check(files)).toEqual([]);
});

test("a link that leads nowhere is found", () => {
  const files = { "docs/a.md": "# A\n[b](b.md)\n[c](#no)\n\n[d]: ../e.md\n" };

  expect(check(files)).toEqual([
    'docs/a.md:2 the link "b.md" leads nowhere',
    'docs/a.md:3 the link "#no" names no heading there',
    'docs/a.md:5 the link "../e.md" leads nowhere',
  ]);
});

test("code holds no links", () => {
  expect(check({ "a.md": "```\n[a](b.md)\n```\n`[c](d.md)`\n" })).toEqual([]);
});

test("a README needs an example and a test that runs it", () => {
  const project = { "packages/wal/package.json": manifestOf("wal") };
  const example = "# wal\n```ts\nopen();\n```\n";

  expect(check({ ...project, "packages/wal/README.md": "# wal\n" })).toHaveLength(1);
  expect(check({ ...project, "packages/wal/README.md": example })).toEqual([
    "packages/wal/README.md:1 test/readme.test.ts must run the examples",
  ]);
  const tested = { ...project, "packages/wal/test/readme.test.ts": "" };
  expect(check({ ...tested, "packages/wal/README.md": example })).toEqual([]);
  const long = example + "x\n".repeat(150);
  expect(check({ ...tested, "packages/wal/README.md": long })).toEqual([
    "packages/wal/README.md:151 has 154 lines, 150 are allowed",
  ]);
});

test("decisions have a number of their own and four parts", () => {
  expect(check({ [at("0001-a.md")]: decision, [at("0002-b.md")]: decision })).toEqual([]);
  expect(check({ [at("0001-a.md")]: decision, [at("0001-b.md")]: decision })).toHaveLength(1);
  expect(check({ [at("a.md")]: decision })).toHaveLength(1);
  expect(check({ [at("0001-a.md")]: decision.replace("## Alternatives", "") })).toEqual([
    "docs/decisions/0001-a.md:3 needs the headings Context, Decision, Alternatives, Consequences",
  ]);
  expect(check({ [at("0001-a.md")]: decision + "x\n".repeat(80) })).toHaveLength(1);
});

test("glossary terms are sorted within a table and defined once", () => {
  const file = "docs/glossary.md";

  expect(check({ [file]: table("leaf", "page") + table("entry", "term") })).toEqual([]);
  expect(check({ [file]: table("page", "leaf") })).toEqual([
    'docs/glossary.md:4 "leaf" stands after "page": sort the table',
  ]);
  expect(check({ [file]: table("page") + table("page") })).toEqual([
    'docs/glossary.md:7 "page" is defined twice',
  ]);
});

test("a done requirement links its place and its test", () => {
  expect(check(row("F1", "x", "open", "", "", ""))).toEqual([]);
  expect(check(row("F1", "x", "done", "[a](../a.ts)", "[t](../a.ts)", ""))).toEqual([]);
  expect(check(row("F1", "x", "done", "[a](../a.ts)", "", ""))).toHaveLength(1);
  expect(check(row("F1", "x", "almost", "", "", ""))).toHaveLength(1);
});
