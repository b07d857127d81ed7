import { RE2JS } from "re2js";
import { queryError } from "../query-error.ts";
import { type RegexTest } from "./filter-node.ts";
import { badOperand } from "./query-reader.ts";
import { classEnd, stripExtended } from "./regex-extended.ts";

/** Characters of a pattern: compiling takes milliseconds at this length. */
export const REGEX_PATTERN_MAX = 4096;

/**
 * Instructions of a compiled pattern: the most a character of text can cost, in steps of up to 40 ns.
 * The worst patterns need 40 ms for 1000 characters, most 30 µs.
 */
export const REGEX_INSTRUCTIONS_MAX = 1000;

/**
 * Characters of a text times instructions of the pattern that is tried on it: a test cannot be
 * interrupted, and takes up to a third of a second at this bound, mostly a few milliseconds. A pattern of
 * ten instructions may be tried on 800,000 characters, the largest on 8,000.
 */
export const REGEX_WORK_MAX: number = 8 << 20;

/**
 * A test from a pattern and its `$options`.
 *
 * @throws {KvsError} `QUERY_BAD_REGEX`; `QUERY_BAD_OPERAND` for an unknown option.
 */
export function fromPattern(pattern: string, options: string, at: string): RegexTest {
  for (const option of options) {
    if (!"imsxu".includes(option)) {
      throw badOperand(
        `${at} with $options`,
        `${JSON.stringify(option)} is no option`,
        "known are i, m, s, x and u",
      );
    }
  }
  const plain = options.includes("x") ? stripExtended(pattern) : pattern;
  return checked(plain, sortedOptions(options), at);
}

/**
 * A test from a regular expression of JavaScript: its source is translated, of its flags `i`, `m`
 * and `s` count, and `d`, `g`, `u` and `y` change nothing here.
 *
 * @throws {KvsError} `QUERY_BAD_REGEX`.
 */
export function fromRegExp(expression: RegExp, at: string): RegexTest {
  if (expression.flags.includes("v")) {
    throw badRegex(at, "the flag v is not supported", "write it without set operations, as u");
  }
  const source = expression.source;
  if (source.length > REGEX_PATTERN_MAX) throw tooLong(source, at);
  const unsupported = findUnsupported(source, UNSUPPORTED_IN_JAVASCRIPT);
  if (unsupported !== undefined) throw badRegex(at, ...unsupported);
  const isUnicode = expression.flags.includes("u");
  const translated = RE2JS.translateRegExp(plainEscapes(source, isUnicode));
  return checked(translated, sortedOptions(expression.flags), at);
}

/**
 * Resolves escapes that the library takes for those of RE2: without the flag `u`, JavaScript reads
 * `\\A` as "A", and it writes one character above U+FFFF as two escapes.
 */
function plainEscapes(source: string, isUnicode: boolean): string {
  const letters = isUnicode ? "" : "AEPQapz";
  return source.replaceAll(
    /\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|\\([^])/gi,
    (escape: string, high?: string, low?: string, letter?: string) => {
      if (high !== undefined && low !== undefined) {
        return String.fromCharCode(parseInt(high, 16), parseInt(low, 16));
      }
      return letter !== undefined && letters.includes(letter) ? letter : escape;
    },
  );
}

/**
 * Compiles a test that was parsed: "does the text hold a match?". It throws `QUERY_TEXT_TOO_LONG` for
 * a text beyond `REGEX_WORK_MAX`.
 *
 * Cost: time linear in the text, whatever the pattern; some 30 ns a character for most, 40 µs for the
 * worst that is allowed. Source: Cox, "Regular Expression Matching
 * Can Be Simple And Fast" (2007).
 */
export function compileRegex({ pattern, options }: RegexTest): (text: string) => boolean {
  const expression = compile(pattern, options);
  const charactersMax = Math.floor(REGEX_WORK_MAX / expression.programSize());
  return (text) => {
    if (text.length > charactersMax) throw textTooLong(text.length, charactersMax);
    return expression.test(text);
  };
}

function compile(pattern: string, options: string): RE2JS {
  let flags = 0;
  if (options.includes("i")) flags |= RE2JS.CASE_INSENSITIVE;
  if (options.includes("m")) flags |= RE2JS.MULTILINE;
  if (options.includes("s")) flags |= RE2JS.DOTALL;
  return RE2JS.compile(pattern, flags);
}

function sortedOptions(options: string): string {
  return ["i", "m", "s"].filter((option) => options.includes(option)).join("");
}

function checked(pattern: string, options: string, at: string): RegexTest {
  if (pattern.length > REGEX_PATTERN_MAX) throw tooLong(pattern, at);
  if (!pattern.isWellFormed()) throw badRegex(at, "it has a lone surrogate", "mend it");
  let instructions: number;
  try {
    instructions = compile(pattern, options).programSize();
  } catch (error) {
    throw badRegex(at, ...problemOf(pattern, error));
  }
  if (instructions > REGEX_INSTRUCTIONS_MAX) {
    throw badRegex(
      at,
      `it compiles to ${instructions} instructions, at most ${REGEX_INSTRUCTIONS_MAX} are allowed`,
      "repeat fewer times",
    );
  }
  return { type: "regex", pattern, options };
}

type Unsupported = readonly [start: RegExp, what: string, advice: string];

/** What JavaScript has and linear time does not allow. */
const UNSUPPORTED_IN_JAVASCRIPT: readonly Unsupported[] = [
  [/^\(\?<?[=!]/, "lookaround", "match what is around as well, or add a second condition"],
  [/^\\(?:[1-9]|k[<{'])/, "a back-reference", "compare the parts outside of the database"],
];

/** What PCRE has beyond that, or RE2 does not know. */
const UNSUPPORTED: readonly Unsupported[] = [
  ...UNSUPPORTED_IN_JAVASCRIPT,
  [/^\(\?P=/, "a back-reference", "compare the parts outside of the database"],
  [/^\(\?>|^[*+?}]\+/, "an atomic or possessive group", "leave it plain: nothing backtracks here"],
  [/^\(\?(?:R|[0-9+]|&|P>)/, "recursion", "write the levels out"],
  [/^\(\?\(/, "a conditional", "write both cases with |"],
  [/^\(\?#/, "a comment", "use the option x and # instead"],
];

function findUnsupported(
  pattern: string,
  constructs: readonly Unsupported[],
): readonly [problem: string, advice: string] | undefined {
  let at = 0;
  while (at < pattern.length) {
    const rest = pattern.slice(at, at + 4);
    const found = constructs.find(([start]) => start.test(rest));
    if (found !== undefined) return [`${found[1]} is not supported`, found[2]];
    if (rest.startsWith("[")) at = classEnd(pattern, at);
    else at += rest.startsWith("\\") ? 2 : 1; // what is escaped begins nothing
  }
  return undefined;
}

/** The problem and what to do, from the pattern first: the library's own words name only RE2. */
function problemOf(pattern: string, error: unknown): readonly [problem: string, advice: string] {
  const words = error instanceof Error ? error.message : "";
  const problem = /regexp: ([^:]*)/.exec(words)?.[1] ?? "it is not a regular expression of RE2";
  const advice = "see docs/query-language.md for the syntax";
  return findUnsupported(pattern, UNSUPPORTED) ?? [problem, advice];
}

function tooLong(pattern: string, at: string): Error {
  return badRegex(
    at,
    `it has ${pattern.length} characters, at most ${REGEX_PATTERN_MAX} are allowed`,
    "use $in for lists of texts",
  );
}

/** Neither "matches" nor "does not" would be true of what was not tried. */
function textTooLong(characters: number, charactersMax: number): Error {
  return queryError(
    "QUERY_TEXT_TOO_LONG",
    `a document holds a text of ${characters} characters, and this regular expression is tried on at ` +
      `most ${charactersMax}; make the expression smaller, or rule such documents out by an earlier condition`,
    { characters, charactersMax },
  );
}

function badRegex(at: string, problem: string, advice: string): Error {
  return queryError("QUERY_BAD_REGEX", `at ${at}: the regular expression: ${problem}; ${advice}`);
}
