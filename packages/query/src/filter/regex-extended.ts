/**
 * Takes white space and comments out of a pattern, as PCRE's option `x` reads it; RE2 has no such
 * option. Inside of a class, after a backslash, and between \Q and \E they stay.
 */
export function stripExtended(pattern: string): string {
  let plain = "";
  let at = 0;
  while (at < pattern.length) {
    const end = kept(pattern, at);
    plain += pattern.slice(at, end);
    at = end === at ? skipped(pattern, at) : end;
  }
  return plain;
}

/** Where the piece that begins at `at` and is kept ends; `at` itself if it is not kept. */
function kept(pattern: string, at: number): number {
  const character = pattern[at]!;
  if (character === "\\") {
    return pattern[at + 1] === "Q"
      ? after(pattern, "\\E", at + 2)
      : Math.min(at + 2, pattern.length);
  }
  if (character === "[") return classEnd(pattern, at);
  return character === "#" || /[ \t\n\v\f\r]/.test(character) ? at : at + 1;
}

/** Behind a comment and its line, or one character of white space. */
function skipped(pattern: string, at: number): number {
  return pattern[at] === "#" ? after(pattern, "\n", at) : at + 1;
}

function after(pattern: string, mark: string, from: number): number {
  const found = pattern.indexOf(mark, from);
  return found === -1 ? pattern.length : found + mark.length;
}

/** The position behind the class that begins at `from`; a "]" in its first place belongs to it. */
export function classEnd(pattern: string, from: number): number {
  let at = from + 1;
  if (pattern[at] === "^") at++;
  if (pattern[at] === "]") at++;
  while (at < pattern.length && pattern[at] !== "]") {
    const isNamed = pattern.startsWith("[:", at) && pattern.includes(":]", at + 2);
    if (isNamed) at = after(pattern, ":]", at + 2);
    else at += pattern[at] === "\\" ? 2 : 1;
  }
  return Math.min(at + 1, pattern.length);
}
