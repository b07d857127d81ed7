import { posix } from "node:path";
import { compareText, type Finding } from "./finding.ts";
import { findHeadings, findLinks, type Line, listLines } from "./markdown.ts";
import { listProjects } from "./project.ts";
import { type SourceTree } from "./source-tree.ts";

const README_MAX_LINES = 150;
/** A decision is one page. */
const DECISION_MAX_LINES = 80;
const DECISION_HEADINGS = ["Context", "Decision", "Alternatives", "Consequences"];
const DECISIONS_FOLDER = "docs/decisions/";
const GLOSSARY_FILE = "docs/glossary.md";
const REQUIREMENTS_FILE = "docs/requirements.md";
const STATES = ["open", "part", "done"];

/** Links lead somewhere, examples are run, and the standing documents keep their form. */
export function checkDocuments(tree: SourceTree): Finding[] {
  const documents = tree.files.filter((file) => file.endsWith(".md"));
  return [
    ...documents.flatMap((file) => checkLinks(tree, file)),
    ...checkReadmes(tree),
    ...checkDecisions(tree),
    ...checkGlossary(tree),
    ...checkRequirements(tree),
  ];
}

/** Every relative link names a file or folder of the tree, and its anchor a heading there. */
function checkLinks(tree: SourceTree, file: string): Finding[] {
  const findings: Finding[] = [];
  for (const { target, line } of findLinks(tree.read(file))) {
    if (/^[a-z]+:/i.test(target)) continue;
    const [path = "", anchor] = target.split("#");
    const linked = path === "" ? file : normalize(posix.join(posix.dirname(file), path));
    if (!tree.exists(linked)) {
      findings.push({ file, line, message: `the link "${target}" leads nowhere` });
    } else if (anchor !== undefined && linked.endsWith(".md")) {
      const anchors = findHeadings(tree.read(linked)).map((heading) => heading.anchor);
      if (!anchors.includes(anchor)) {
        findings.push({ file, line, message: `the link "${target}" names no heading there` });
      }
    }
  }
  return findings;
}

function normalize(path: string): string {
  return path === "." ? "" : path.replace(/\/$/, "");
}

/** A package's README is short and has an example, which its readme test runs. */
function checkReadmes(tree: SourceTree): Finding[] {
  const findings: Finding[] = [];
  for (const { kind, folder } of listProjects(tree)) {
    const file = `${folder}/README.md`;
    if (kind !== "package" || !tree.has(file)) continue;
    const text = tree.read(file);
    const lines = text.trimEnd().split("\n").length;
    if (lines > README_MAX_LINES) {
      const message = `has ${lines} lines, ${README_MAX_LINES} are allowed`;
      findings.push({ file, line: README_MAX_LINES + 1, message });
    }
    if (!/^```ts$/m.test(text)) {
      findings.push({ file, line: 1, message: "needs an example in a ```ts block" });
    } else if (!tree.has(`${folder}/test/readme.test.ts`)) {
      findings.push({ file, line: 1, message: "test/readme.test.ts must run the examples" });
    }
  }
  return findings;
}

/** Records have a number of their own, one page, and four parts in order. */
function checkDecisions(tree: SourceTree): Finding[] {
  const findings: Finding[] = [];
  const fileOf = new Map<string, string>();
  for (const file of tree.files.filter((each) => each.startsWith(DECISIONS_FOLDER))) {
    const report = (line: number, message: string): void => {
      findings.push({ file, line, message });
    };
    const number = /^(\d{4})-[a-z0-9-]+\.md$/.exec(file.slice(DECISIONS_FOLDER.length))?.[1];
    if (number === undefined) {
      report(1, "a decision is called NNNN-title.md");
      continue;
    }
    const other = fileOf.get(number);
    if (other !== undefined) report(1, `number ${number} is taken by ${other}`);
    fileOf.set(number, file);
    const text = tree.read(file);
    const headings = findHeadings(text).filter(({ level }) => level === 2);
    const titles = headings.map(({ title }) => title);
    if (JSON.stringify(titles) !== JSON.stringify(DECISION_HEADINGS)) {
      report(headings[0]?.line ?? 1, `needs the headings ${DECISION_HEADINGS.join(", ")}`);
    }
    const lines = text.trimEnd().split("\n").length;
    if (lines > DECISION_MAX_LINES) {
      report(DECISION_MAX_LINES + 1, `has ${lines} lines, ${DECISION_MAX_LINES} are allowed`);
    }
  }
  return findings;
}

/** Each term stands once, in the order of the alphabet within its table. */
function checkGlossary(tree: SourceTree): Finding[] {
  if (!tree.has(GLOSSARY_FILE)) return [];
  const findings: Finding[] = [];
  const seen = new Set<string>();
  let previous: string | undefined;
  for (const row of listRows(tree.read(GLOSSARY_FILE))) {
    if (row.isHeader) {
      previous = undefined;
      continue;
    }
    const term = (row.cells[0] ?? "").toLowerCase();
    const report = (message: string): void => {
      findings.push({ file: GLOSSARY_FILE, line: row.line, message });
    };
    if (seen.has(term)) report(`"${term}" is defined twice`);
    if (previous !== undefined && compareText(previous, term) > 0) {
      report(`"${term}" stands after "${previous}": sort the table`);
    }
    seen.add(term);
    previous = term;
  }
  return findings;
}

/** Each requirement has one row and a known state; a done one links its place and its test. */
function checkRequirements(tree: SourceTree): Finding[] {
  if (!tree.has(REQUIREMENTS_FILE)) return [];
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (const row of listRows(tree.read(REQUIREMENTS_FILE))) {
    if (row.isHeader) continue;
    const id = row.cells[0] ?? "";
    const messages = judgeRequirement(row);
    if (seen.has(id)) messages.push(`${id} has two rows`);
    seen.add(id);
    for (const message of messages) {
      findings.push({ file: REQUIREMENTS_FILE, line: row.line, message });
    }
  }
  return findings;
}

function judgeRequirement({ cells }: Row): string[] {
  const [id = "", , state = "", place = "", test = ""] = cells;
  const messages: string[] = [];
  if (!STATES.includes(state)) messages.push(`${id}: the state is one of ${STATES.join(", ")}`);
  const isLinked = findLinks(place).length > 0 && findLinks(test).length > 0;
  if (state === "done" && !isLinked) {
    messages.push(`${id} is done: link where it is and the test that shows it`);
  }
  return messages;
}

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
  /** Whether the row begins a table. */
  readonly isHeader: boolean;
}

/** The rows of every table, without the rules under the headers. */
function listRows(text: string): Row[] {
  const rows: Row[] = [];
  let isInTable = false;
  for (const line of listLines(text)) {
    const isRow = line.text.startsWith("|") && !line.inFence;
    if (isRow && !/^[|\s:-]+$/.test(line.text)) rows.push(toRow(line, !isInTable));
    isInTable = isRow;
  }
  return rows;
}

function toRow(line: Line, isHeader: boolean): Row {
  const cells = line.text
    .replace(/^\||\|\s*$/g, "")
    .split("|")
    .map((cell) => cell.trim());
  return { cells, line: line.number, isHeader };
}
