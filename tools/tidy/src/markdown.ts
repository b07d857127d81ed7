/** A line of a Markdown file. */
export interface Line {
  readonly text: string;
  /** 1-based. */
  readonly number: number;
  /** Whether it is code, or the mark that begins or ends it. */
  readonly inFence: boolean;
}

export interface Heading {
  readonly title: string;
  readonly level: number;
  readonly line: number;
  /** What a link to it ends in, after "#". */
  readonly anchor: string;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

/** Splits into lines and tells which are code. */
export function listLines(text: string): Line[] {
  let inFence = false;
  return text.split("\n").map((line, index) => {
    const isMark = /^\s*(?:```|~~~)/.test(line);
    const result = { text: line, number: index + 1, inFence: inFence || isMark };
    if (isMark) inFence = !inFence;
    return result;
  });
}

/** Headings in their order, with the anchors GitHub gives them. */
export function findHeadings(text: string): Heading[] {
  const headings: Heading[] = [];
  for (const line of listLines(text)) {
    const match = /^(#{1,6})\s+(.*?)\s*$/.exec(line.text);
    if (match === null || line.inFence) continue;
    const title = match[2]!;
    headings.push({ title, level: match[1]!.length, line: line.number, anchor: toAnchor(title) });
  }
  return headings;
}

/** Inline links and images, `[text](target)`, and definitions, `[name]: target`. */
export function findLinks(text: string): Link[] {
  const links: Link[] = [];
  for (const line of listLines(text)) {
    if (line.inFence) continue;
    const prose = line.text.replaceAll(/`[^`]*`/g, "code");
    for (const match of prose.matchAll(
      /\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s+(\S+)/g,
    )) {
      links.push({ target: (match[1] ?? match[2])!, line: line.number });
    }
  }
  return links;
}

/** Lower case, spaces to hyphens, all other signs dropped. */
function toAnchor(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}
