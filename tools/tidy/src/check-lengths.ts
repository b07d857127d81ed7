import { type Finding } from "./finding.ts";
import { type SourceTree } from "./source-tree.ts";

/** One concept fits in this; the limit of functions is the linter's. */
const FILE_MAX_LINES = 400;

/** Files that were longer when the rule came, with their lines then. It may only shrink. */
export const RATCHET_FILE = "tools/tidy/lengths.json";

/** No source is longer than the limit, or than its entry in the ratchet. */
export function checkLengths(tree: SourceTree): Finding[] {
  const ratchet = readRatchet(tree);
  const findings: Finding[] = [];
  for (const [file, lines] of measureLengths(tree)) {
    const allowed = ratchet.get(file) ?? FILE_MAX_LINES;
    if (lines > allowed) {
      const message = `has ${lines} lines, ${allowed} are allowed: split it by what it is about`;
      findings.push({ file, line: allowed + 1, message });
    }
  }
  return [...findings, ...checkRatchet(tree, ratchet)];
}

/** The entries a ratchet may keep: files still too long, with no more lines than before. */
export function shrinkRatchet(tree: SourceTree): ReadonlyMap<string, number> {
  const lengths = measureLengths(tree);
  const kept = [...readRatchet(tree)].flatMap(([file, before]): [string, number][] => {
    const lines = lengths.get(file) ?? 0;
    return lines > FILE_MAX_LINES ? [[file, Math.min(before, lines)]] : [];
  });
  return new Map(kept);
}

/** An entry larger than its file would let the file grow again. */
function checkRatchet(tree: SourceTree, ratchet: ReadonlyMap<string, number>): Finding[] {
  const shrunk = shrinkRatchet(tree);
  return [...ratchet]
    .filter(([file, lines]) => (shrunk.get(file) ?? 0) < lines)
    .map(([file]) => ({
      file: RATCHET_FILE,
      line: 1,
      message: `${file} has become shorter: run "pnpm lengths"`,
    }));
}

function measureLengths(tree: SourceTree): Map<string, number> {
  const sources = tree.files.filter((file) => /\.(?:ts|mts|cts|mjs|js)$/.test(file));
  return new Map(sources.map((file) => [file, countLines(tree.read(file))]));
}

function countLines(text: string): number {
  return text === "" ? 0 : text.trimEnd().split("\n").length;
}

function readRatchet(tree: SourceTree): Map<string, number> {
  if (!tree.has(RATCHET_FILE)) return new Map();
  const entries: Record<string, number> = JSON.parse(tree.read(RATCHET_FILE));
  return new Map(Object.entries(entries));
}
