import { KvsError } from "@kvs/env";

/**
 * Tests whose expectation is printed text: a file of directives, each answered by a handler.
 *
 *   # A comment. The blank line ends the directive.
 *   append term=3 to=(n1,n2) durable
 *   input lines, as many as needed
 *   ----
 *   expected output
 *
 * A word is bare (`durable`), has a value (`term=3`) or a list (`to=(n1,n2)`). Output that has
 * blank lines stands between doubled separators:
 *
 *   dump
 *   ----
 *   ----
 *   first part
 *
 *   second part
 *   ----
 *   ----
 *
 * Source: the datadriven package of CockroachDB; the parser is our own.
 */
export class Directive {
  /** Where it stands, for messages: `election.txt:12`. */
  readonly position: string;
  /** The first word. */
  readonly command: string;
  /** The bare words after it, in order. */
  readonly words: readonly string[];
  /** The lines between the command and its separator, joined by newlines. */
  readonly input: string;
  /** What the file expects, without the last newline. */
  readonly expected: string;
  readonly #options: ReadonlyMap<string, readonly string[]>;

  constructor(position: string, parts: DirectiveParts) {
    this.position = position;
    this.command = parts.command;
    this.words = parts.words;
    this.input = parts.input;
    this.expected = parts.expected;
    this.#options = parts.options;
  }

  /** The names of all `name=…` words, in order: to refuse those that a command does not know. */
  get optionNames(): readonly string[] {
    return [...this.#options.keys()];
  }

  /** Whether the bare word is there. */
  has(word: string): boolean {
    return this.words.includes(word);
  }

  /** The value of `name=value`, or `undefined` if there is no such word. */
  option(name: string): string | undefined {
    const values = this.#options.get(name);
    if (values === undefined) return undefined;
    if (values.length !== 1) throw this.error(`${name} takes one value`);
    return values[0];
  }

  /** The values of `name=(a,b)` or `name=a`; empty if there is no such word. */
  list(name: string): readonly string[] {
    return this.#options.get(name) ?? [];
  }

  /**
   * The value of `name=7`.
   *
   * @param fallback For a word that is absent; without it the word must be there.
   * @throws {KvsError} `SIM_DATADRIVEN_INVALID`
   */
  integer(name: string, fallback?: number): number {
    const text = this.option(name);
    if (text === undefined && fallback !== undefined) return fallback;
    const value = text === undefined || text === "" ? Number.NaN : Number(text);
    if (Number.isSafeInteger(value)) return value;
    throw this.error(`${name}=… is an integer, not ${JSON.stringify(text ?? "absent")}`);
  }

  /** An error that names this directive's file and line, for a handler to throw. */
  error(problem: string): KvsError<"SIM_DATADRIVEN_INVALID"> {
    return invalid(this.position, problem);
  }
}

export interface DirectiveParts {
  readonly command: string;
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly input: string;
  readonly expected: string;
}

export interface DataDrivenOptions {
  /** For messages. Default: `datadriven`. */
  readonly file?: string;
  /** Take what the handlers print as expected: nothing fails. Default: false. */
  readonly rewrite?: boolean;
}

export interface DataDrivenResult {
  /** The file as it should read: with `rewrite` the printed outputs, else the given text. */
  readonly text: string;
  /** One message a directive that printed something else, with file, line and both texts. */
  readonly failures: readonly string[];
}

/**
 * Runs each directive of a text, in order, and compares what the handler returns with what the
 * text expects. Trailing newlines do not count. Reading and writing the file is the caller's job.
 *
 * @throws {KvsError} `SIM_DATADRIVEN_INVALID` if the text cannot be parsed; nothing ran then.
 * @throws {KvsError} `SIM_DATADRIVEN_FAILED` if the handler throws; names the line, with `cause`.
 */
export function runDataDriven(
  text: string,
  handler: (directive: Directive) => string,
  options: DataDrivenOptions = {},
): DataDrivenResult {
  const sections = parseSections(text, options.file ?? "datadriven");
  const outputs = sections.map(({ directive }) => {
    try {
      return handler(directive);
    } catch (cause) {
      throw handlerFailure(directive, cause);
    }
  });
  return compare({ text, sections, outputs, rewrite: options.rewrite === true });
}

/** `runDataDriven` for handlers that wait: each directive begins after the last one ended. */
export async function runDataDrivenAsync(
  text: string,
  handler: (directive: Directive) => Promise<string>,
  options: DataDrivenOptions = {},
): Promise<DataDrivenResult> {
  const sections = parseSections(text, options.file ?? "datadriven");
  const outputs: string[] = [];
  for (const { directive } of sections) {
    try {
      outputs.push(await handler(directive));
    } catch (cause) {
      throw handlerFailure(directive, cause);
    }
  }
  return compare({ text, sections, outputs, rewrite: options.rewrite === true });
}

/**
 * The directives of a text, in order.
 *
 * @throws {KvsError} `SIM_DATADRIVEN_INVALID`
 */
export function parseDirectives(text: string, file = "datadriven"): Directive[] {
  return parseSections(text, file).map(({ directive }) => directive);
}

/** A directive and the lines of its output, separators included, as a half-open range. */
interface Section {
  readonly directive: Directive;
  readonly from: number;
  readonly to: number;
}

const SEPARATOR = "----";

function parseSections(text: string, file: string): Section[] {
  const lines = text.split("\n");
  const sections: Section[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    if (line.trim() === "" || line.startsWith("#")) {
      at++;
      continue;
    }
    const position = `${file}:${at + 1}`;
    const separator = lines.indexOf(SEPARATOR, at);
    if (separator === -1) throw invalid(position, `"${line}" has no ${SEPARATOR} below it`);
    const { expected, to } = parseOutput(lines, separator, position);
    const parts = { ...parseCommand(line, position), expected };
    const input = lines.slice(at + 1, separator).join("\n");
    sections.push({ directive: new Directive(position, { ...parts, input }), from: separator, to });
    at = to;
  }
  return sections;
}

function parseOutput(
  lines: readonly string[],
  separator: number,
  position: string,
): { readonly expected: string; readonly to: number } {
  if (lines[separator + 1] !== SEPARATOR) {
    const blank = lines.indexOf("", separator);
    const to = blank === -1 ? lines.length : blank;
    return { expected: lines.slice(separator + 1, to).join("\n"), to };
  }
  for (let at = separator + 2; at + 1 < lines.length; at++) {
    if (lines[at] !== SEPARATOR || lines[at + 1] !== SEPARATOR) continue;
    if (lines[at + 2] === SEPARATOR) continue; // the output ends in a separator of its own
    return { expected: lines.slice(separator + 2, at).join("\n"), to: at + 2 };
  }
  throw invalid(position, `the doubled ${SEPARATOR} is never closed by another two`);
}

function parseCommand(
  line: string,
  position: string,
): Pick<DirectiveParts, "command" | "words" | "options"> {
  const words: string[] = [];
  const options = new Map<string, readonly string[]>();
  for (const word of splitWords(line, position)) {
    const equals = word.indexOf("=");
    if (equals <= 0) {
      words.push(word);
      continue;
    }
    const name = word.slice(0, equals);
    if (options.has(name)) throw invalid(position, `${name} is given twice`);
    options.set(name, parseValues(word.slice(equals + 1)));
  }
  const command = words.shift();
  if (command === undefined) throw invalid(position, "a directive begins with a bare word");
  return { command, words, options };
}

/** Splits at spaces outside of parentheses. */
function splitWords(line: string, position: string): string[] {
  const words: string[] = [];
  let word = "";
  let depth = 0;
  for (const char of line.trimEnd()) {
    if (char === "(") depth++;
    if (char === ")") depth--;
    if (depth < 0) break;
    if (char === " " && depth === 0) {
      if (word !== "") words.push(word);
      word = "";
    } else {
      word += char;
    }
  }
  if (depth !== 0) throw invalid(position, "parentheses do not match");
  return word === "" ? words : [...words, word];
}

function parseValues(text: string): string[] {
  if (!text.startsWith("(") || !text.endsWith(")")) return [text];
  const inner = text.slice(1, -1).trim();
  return inner === "" ? [] : inner.split(",").map((value) => value.trim());
}

function compare(run: {
  readonly text: string;
  readonly sections: readonly Section[];
  readonly outputs: readonly string[];
  readonly rewrite: boolean;
}): DataDrivenResult {
  const printed = run.outputs.map((output) => output.replace(/\n+$/, ""));
  if (run.rewrite) return { text: rewriteText(run.text, run.sections, printed), failures: [] };
  const failures = run.sections.flatMap(({ directive }, at) => {
    const expected = directive.expected.replace(/\n+$/, "");
    return printed[at] === expected ? [] : [describeFailure(directive, expected, printed[at]!)];
  });
  return { text: run.text, failures };
}

function rewriteText(
  text: string,
  sections: readonly Section[],
  outputs: readonly string[],
): string {
  const lines = text.split("\n");
  const rewritten: string[] = [];
  let copied = 0;
  for (const [at, { directive, from, to }] of sections.entries()) {
    rewritten.push(...lines.slice(copied, from), ...formatOutput(outputs[at]!, directive));
    copied = to;
  }
  return [...rewritten, ...lines.slice(copied)].join("\n");
}

/** Doubles the separators where plain ones would be read back otherwise. */
function formatOutput(output: string, directive: Directive): string[] {
  const lines = output === "" ? [] : output.split("\n");
  const isAmbiguous = lines.includes("") || lines[0] === SEPARATOR;
  if (!isAmbiguous) return [SEPARATOR, ...lines];
  if (output.includes(`${SEPARATOR}\n${SEPARATOR}`)) {
    throw directive.error(`no output holds two lines of ${SEPARATOR} in a row`);
  }
  return [SEPARATOR, SEPARATOR, ...lines, SEPARATOR, SEPARATOR];
}

function describeFailure(directive: Directive, expected: string, actual: string): string {
  const wanted = expected.split("\n");
  const got = actual.split("\n");
  let first = 0;
  while (wanted[first] === got[first]) first++;
  return (
    `${directive.position}: ${directive.command} prints something else ` +
    `from line ${first + 1} of its output on\n` +
    `expected:\n${indent(wanted)}\nprinted:\n${indent(got)}`
  );
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join("\n");
}

function handlerFailure(directive: Directive, cause: unknown): unknown {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new KvsError(
    "SIM_DATADRIVEN_FAILED",
    `${directive.position}: ${directive.command} threw: ${reason}`,
    { outcome: "none", cause },
  );
}

function invalid(position: string, problem: string): KvsError<"SIM_DATADRIVEN_INVALID"> {
  return new KvsError("SIM_DATADRIVEN_INVALID", `${position}: ${problem}`, { outcome: "none" });
}
