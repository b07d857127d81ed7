import { type Finding } from "./finding.ts";
import { type SourceTree } from "./source-tree.ts";

/** The document with the tables of faults and sabotages. */
const DOCUMENT = "docs/testing.md";

/** Faults of disk and log, then of pages, trees and memory, that tests must stand for by name. */
const FAULTS: readonly string[] = [
  ...Array.from({ length: 23 }, (_, index) => `W${index + 1}`),
  "P1",
  "P2",
  "P3",
  "P4",
  "P11",
  "P12",
  "P13",
  "P14",
];
/** Layers whose sabotages the second table lists, all of them; of `txn` those of the storage engine. */
const WHOLE_LAYERS: readonly string[] = ["wal", "pager", "btree"];
const LAYERS: readonly string[] = [...WHOLE_LAYERS, "txn"];

/** A row of one of the tables: what it is about, and the tests that it names. */
interface Row {
  readonly name: string;
  readonly line: number;
  readonly tests: readonly string[];
}

/**
 * Each fault of the catalogue has a test that carries its id (`REL-W5`), each sabotage of the storage
 * engine a test that switches it on, and the tables of `docs/testing.md` say which.
 */
export function checkReliability(tree: SourceTree): Finding[] {
  if (!tree.has(DOCUMENT)) return [];
  const lines = tree.read(DOCUMENT).split("\n");
  const faults = readRows(lines, /^\| (?<name>[WP]\d+) \|/);
  const sabotages = readRows(lines, /^\| `(?<name>(?:wal|pager|btree|txn)\.[a-z-]+)` \|/);
  return [
    ...findMissing(FAULTS, faults, "fault"),
    ...findMissing(findSabotages(tree, WHOLE_LAYERS), sabotages, "sabotage"),
    ...findUnknown(findSabotages(tree, LAYERS), sabotages),
    ...faults.flatMap((row) => checkTests(tree, row, (text) => carries(text, row.name))),
    ...sabotages.flatMap((row) => checkTests(tree, row, (text) => text.includes(row.name))),
  ];
}

function readRows(lines: readonly string[], pattern: RegExp): Row[] {
  return lines.flatMap((text, index) => {
    const name = pattern.exec(text)?.groups?.["name"];
    if (name === undefined) return [];
    const tests = [...text.matchAll(/`(?<path>(?:packages|tools|apps)\/[^`]+)`/g)];
    return [{ name, line: index + 1, tests: tests.map(({ groups }) => groups!["path"]!) }];
  });
}

/** Names that these layers ask their hooks for. */
function findSabotages(tree: SourceTree, layers: readonly string[]): string[] {
  const found = new Set<string>();
  for (const file of tree.files) {
    if (!layers.some((layer) => file.startsWith(`packages/${layer}/src/`))) continue;
    for (const { groups } of tree.read(file).matchAll(/hasMutant\("(?<name>[a-z.-]+)"\)/g)) {
      found.add(groups!["name"]!);
    }
  }
  return [...found].toSorted();
}

function findMissing(names: readonly string[], rows: readonly Row[], kind: string): Finding[] {
  const missing = names.filter((name) => !rows.some((row) => row.name === name));
  return missing.map((name) => {
    const message = `the ${kind} ${name} has no row: name the test that stands for it`;
    return { file: DOCUMENT, line: 1, message };
  });
}

function findUnknown(names: readonly string[], rows: readonly Row[]): Finding[] {
  const unknown = rows.filter(({ name }) => !names.includes(name));
  return unknown.map(({ name, line }) => {
    return { file: DOCUMENT, line, message: `the engine knows no sabotage ${name}` };
  });
}

function checkTests(
  tree: SourceTree,
  { name, line, tests }: Row,
  stands: (text: string) => boolean,
): Finding[] {
  if (tests.length === 0) {
    return [{ file: DOCUMENT, line, message: `${name} names no test file` }];
  }
  return tests.flatMap((path) => {
    if (!tree.has(path)) return [{ file: DOCUMENT, line, message: `there is no ${path}` }];
    if (stands(tree.read(path))) return [];
    return [{ file: DOCUMENT, line, message: `${path} does not mention ${name}` }];
  });
}

/** Whether a test file has this fault's id, alone or in a list: `REL-W9, W10`. */
function carries(text: string, fault: string): boolean {
  const lists = text.matchAll(/REL-(?<list>[WP]\d+(?:, (?:REL-)?[WP]\d+)*)/g);
  return [...lists].some(({ groups }) => groups!["list"]!.match(/[WP]\d+/g)!.includes(fault));
}
