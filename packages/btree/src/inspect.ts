import { assert } from "@kvs/env";
import { PAGE_BYTES, type PageId, PageView, pageIdOf } from "@kvs/pager";
import { type Attempt } from "./check.ts";
import { readOverflow } from "./overflow-value.ts";
import { checkPage, positionAt } from "./page-check.ts";
import { type PageReader } from "./page-writer.ts";
import {
  INFO_OVERFLOW,
  INFO_TOMBSTONE,
  INFO_VERSION,
  PREFIX_OFFSET,
  cellValueAt,
  cellValueLength,
  childAt,
  entryCount,
  entryInfo,
  freeBytes,
  garbageBytes,
  nextPage,
  pageLevel,
  prefixLength,
  treeIdOf,
} from "./tree-page.ts";
import { type TreeState } from "./tree-state.ts";

/** Characters of a key or value that are shown. */
const SHOWN_MAX = 48;
/** Lines of a tree, unless told otherwise. */
const TREE_LINES_MAX = 10_000;

/**
 * Prints a leaf or interior page for people: one line for the page, one for each entry.
 *
 * @param page Any bytes of that type: a damaged page is said to be damaged.
 */
export function describePage(page: PageView): string {
  const faults = checkPage(page);
  if (faults.length > 0) {
    return [`page ${pageIdOf(page)}: damaged`, ...faults.map((fault) => `  ${fault}`)].join("\n");
  }
  const lines = [headLine(page)];
  if (pageLevel(page) > 0) lines.push(`  -> page ${childAt(page, -1)}`);
  for (let slot = 0; slot < entryCount(page); slot++) lines.push(`  ${entryLine(page, slot)}`);
  return lines.join("\n");
}

export interface DescribeTreeOptions {
  /** Lines after which the rest is left out. Default: 10,000. */
  readonly linesMax?: number;
  /** Whether the rows of leaves are shown. Default: true. */
  readonly rows?: boolean;
}

/** Prints a tree for people, indented by level. @throws what `attempt` throws. */
export async function describeTree(
  tree: TreeState,
  pages: PageReader,
  attempt: Attempt,
  options: DescribeTreeOptions = {},
): Promise<string> {
  const { linesMax = TREE_LINES_MAX, rows = true } = options;
  assert(linesMax >= 1, "a line at least is shown");
  const lines: string[] = [];
  const stack: Place[] = [{ id: tree.rootId, indent: "", label: "" }];
  for (let place = stack.pop(); place !== undefined; place = stack.pop()) {
    if (lines.length >= linesMax) break;
    const page = await copyPage(place.id, pages, attempt);
    const { indent } = place;
    const isDamaged = checkPage(page).length > 0;
    const [head, ...entries] = describePage(page).split("\n");
    lines.push(indent + place.label + head!);
    if (isDamaged || (rows && pageLevel(page) === 0)) {
      lines.push(...entries.map((line) => indent + line));
    }
    if (!isDamaged) stack.push(...childrenOf(page, `${indent}  `));
  }
  if (lines.length > linesMax) lines.splice(linesMax, lines.length - linesMax, "…");
  return lines.join("\n");
}

/** A page to be shown, and the separator on its left. */
interface Place {
  readonly id: PageId;
  readonly indent: string;
  readonly label: string;
}

/** The children of an interior page, the last one first. */
function childrenOf(page: PageView, indent: string): Place[] {
  if (pageLevel(page) === 0) return [];
  const children: Place[] = [];
  for (let slot = entryCount(page) - 1; slot >= -1; slot--) {
    const label = slot < 0 ? "" : `${positionText(page, slot)}: `;
    children.push({ id: childAt(page, slot), indent, label });
  }
  return children;
}

async function copyPage(id: PageId, pages: PageReader, attempt: Attempt): Promise<PageView> {
  const copy = PageView.of(new Uint8Array(PAGE_BYTES));
  const view = new PageView();
  await attempt(() => {
    pages.fetch(id, view);
    copy.u8.set(view.u8.subarray(view.base, view.base + PAGE_BYTES));
  });
  return copy;
}

function headLine(page: PageView): string {
  const level = pageLevel(page);
  const kind = level === 0 ? "leaf" : `interior, level ${level}`;
  const prefix = page.u8.subarray(
    page.base + PREFIX_OFFSET,
    page.base + PREFIX_OFFSET + prefixLength(page),
  );
  const parts = [
    `tree ${treeIdOf(page)}`,
    `${entryCount(page)} entries`,
    `prefix ${bytesText(prefix)}`,
    `${freeBytes(page)} bytes free`,
    `${garbageBytes(page)} of them garbage`,
    nextPage(page) === 0 ? "the last of its level" : `next ${nextPage(page)}`,
  ];
  return `page ${pageIdOf(page)} (${kind}): ${parts.join(", ")}`;
}

function entryLine(page: PageView, slot: number): string {
  const text = positionText(page, slot);
  if (pageLevel(page) > 0) return `${text} -> page ${childAt(page, slot)}`;
  return `${text} = ${valueText(page, slot)}`;
}

function positionText(page: PageView, slot: number): string {
  const { key, version } = positionAt(page, slot);
  const hasVersion = pageLevel(page) === 0 || (entryInfo(page, slot) & INFO_VERSION) !== 0;
  return hasVersion ? `${bytesText(key)} @${version}` : bytesText(key);
}

function valueText(page: PageView, slot: number): string {
  const info = entryInfo(page, slot);
  const from = cellValueAt(page, slot);
  const to = from + cellValueLength(page, slot);
  if ((info & INFO_OVERFLOW) !== 0) {
    const { length, plainLength, runs, listedRuns } = readOverflow(page.u8, from, to);
    const places = runs.map(({ first, count }) => `${first}+${count}`).join(" ");
    const state = (info & INFO_TOMBSTONE) === 0 ? "" : ", being given back";
    const list = listedRuns === 0 ? "" : `, a list of ${listedRuns} runs`;
    const value = plainLength === 0 ? "" : `, compressed from ${plainLength}`;
    return `${length} bytes${value} in pages ${places}${list}${state}`;
  }
  if ((info & INFO_TOMBSTONE) !== 0) return "deleted";
  return bytesText(page.u8.subarray(from, to));
}

/** Printable ASCII in quotes, anything else in hexadecimal; cut where it is long. */
function bytesText(bytes: Uint8Array): string {
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f && byte !== 0x22);
  let text = "";
  for (const byte of bytes.subarray(0, SHOWN_MAX)) {
    text += isText ? String.fromCharCode(byte) : byte.toString(16).padStart(2, "0");
  }
  const rest = bytes.length > SHOWN_MAX ? `… (${bytes.length} bytes)` : "";
  return isText ? `"${text}"${rest}` : `0x${text}${rest}`;
}
