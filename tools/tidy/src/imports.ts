/** One module specifier in a source file. */
export interface Import {
  readonly specifier: string;
  /** 1-based line of the specifier. */
  readonly line: number;
}

/**
 * `import … from "x"`, `export … from "x"`, `import "x"` at the start of a line, over several
 * lines; and `import("x")`, of values and of types, anywhere.
 */
const STATEMENT = /^[ \t]*(?:import|export)\b(?:[^"'`;()=]*?\bfrom\s*|\s*)["']([^"'\n]+)["']/gm;
const CALL = /\b(?:import|require)\(\s*["']([^"'\n]+)["']/g;

/**
 * Finds every module a TypeScript file names. Reads text, not syntax: comments are left out, and a
 * statement must start its line, as the formatter has it.
 */
export function findImports(text: string): Import[] {
  const code = blankComments(text);
  const imports: Import[] = [];
  for (const pattern of [STATEMENT, CALL]) {
    for (const match of code.matchAll(pattern)) {
      const specifier = match[1]!;
      // Source text inside a template, put together at run time.
      if (specifier.includes("${")) continue;
      const position = match.index + match[0].lastIndexOf(specifier);
      imports.push({ specifier, line: lineAt(code, position) });
    }
  }
  return imports.toSorted((a, b) => a.line - b.line);
}

/** The 1-based line that holds `position`. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < position; at = text.indexOf("\n", at + 1)) {
    line += 1;
  }
  return line;
}

/** Replaces comments by spaces, keeping lines. Only comments that start a line are certain. */
function blankComments(text: string): string {
  return text.replaceAll(/^[ \t]*(?:\/\*[\s\S]*?\*\/|\/\/.*)/gm, (comment) =>
    comment.replaceAll(/[^\n]/g, " "),
  );
}
