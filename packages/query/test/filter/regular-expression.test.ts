import { type KvsError } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compileFilter, parseFilter, REGEX_PATTERN_MAX, REGEX_WORK_MAX } from "../../src/index.ts";
import { stripExtended } from "../../src/filter/regex-extended.ts";

function isFound(pattern: string | RegExp, text: string, options?: string): boolean {
  const operand =
    options === undefined ? { $regex: pattern } : { $regex: pattern, $options: options };
  return compileFilter(parseFilter({ a: operand }))({ a: text });
}

function problem(pattern: string | RegExp): string {
  try {
    parseFilter({ a: { $regex: pattern } });
  } catch (error) {
    expect((error as KvsError).code).toBe("QUERY_BAD_REGEX");
    return (error as KvsError).message;
  }
  return "no error";
}

test("patterns that ruin engines which backtrack take linear time", () => {
  const long = `${"a".repeat(50_000)}!`;
  for (const pattern of ["^(a+)+$", "^(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
    expect(isFound(pattern, long)).toBe(false);
  }
  expect(isFound(/^(a+)+$/, long)).toBe(false);
  expect(compileFilter(parseFilter({ a: { $in: [/^(a+)+$/] } }))({ a: long })).toBe(false);
});

test("a text that is too long for the size of its expression is an error, not a missing match", () => {
  const table = [
    ["^a", 3],
    ["^(?:[ab]?){400}c", 801],
  ] as const;
  for (const [pattern, instructionsMin] of table) {
    const charactersMax = Math.floor(REGEX_WORK_MAX / instructionsMin);
    const isMatch = compileFilter(parseFilter({ b: 1, a: { $regex: pattern } }));
    const text = "x".repeat(charactersMax);
    let error: KvsError | undefined;
    try {
      isMatch({ a: text, b: 1 });
    } catch (thrown) {
      error = thrown as KvsError;
    }
    expect(error).toMatchObject({ code: "QUERY_TEXT_TOO_LONG", outcome: "none", retryable: false });
    const limit = error!.details["charactersMax"] as number;
    expect(isMatch({ a: text.slice(0, limit), b: 1 })).toBe(false);
    expect(isMatch({ a: text, b: 2 })).toBe(false);
  }
});

test("what linear time does not allow is named", () => {
  expect(problem("a(?=b)")).toMatchInlineSnapshot(
    `"QUERY_BAD_REGEX: at filter.a.$regex: the regular expression: lookaround is not supported; match what is around as well, or add a second condition"`,
  );
  expect(problem("(?<!a)b")).toContain("lookaround is not supported");
  expect(problem(/(?<=a)b/)).toContain("lookaround is not supported");
  expect(problem("(a)\\1")).toMatchInlineSnapshot(
    `"QUERY_BAD_REGEX: at filter.a.$regex: the regular expression: a back-reference is not supported; compare the parts outside of the database"`,
  );
  expect(problem(/(?<x>a)\k<x>/)).toContain("a back-reference is not supported");
  expect(problem("(?P<x>a)(?P=x)")).toContain("a back-reference is not supported");
  expect(problem("(?>a)")).toContain("an atomic or possessive group is not supported");
  expect(problem("a++")).toContain("an atomic or possessive group is not supported");
  expect(problem("(a(?R)?b)")).toContain("recursion is not supported");
  expect(problem("(?(1)a|b)")).toContain("a conditional is not supported");
  expect(problem("a(?#x)")).toContain("a comment is not supported");
});

test("what is no regular expression is refused", () => {
  expect(problem("(a")).toMatchInlineSnapshot(
    `"QUERY_BAD_REGEX: at filter.a.$regex: the regular expression: missing closing ); see docs/query-language.md for the syntax"`,
  );
  expect(problem("[z-a]")).toContain("invalid character class range");
  expect(problem("[(?=](")).toContain("missing closing )");
  expect(problem("\\(?=\\1x(")).toContain("a back-reference");
  expect(problem("a{1001}")).toContain("invalid repeat count");
  expect(problem("\\ud800")).toContain("invalid escape");
  expect(problem("\ud800")).toContain("lone surrogate");
  expect(problem(/[\p{L}--[a-z]]/v)).toContain("flag v");
});

test("patterns have limits of length and of what they compile to", () => {
  expect(problem(`[${"x".repeat(REGEX_PATTERN_MAX - 2)}]`)).toBe("no error");
  expect(problem("x".repeat(REGEX_PATTERN_MAX + 1))).toContain("at most 4096");
  expect(problem(new RegExp("x".repeat(REGEX_PATTERN_MAX + 1)))).toContain("at most 4096");
  expect(problem("x".repeat(1001))).toContain("instructions, at most 1000");
  expect(problem("((a{100}){100}){100}")).toContain("invalid repeat count");
  expect(problem("(".repeat(2000))).toContain("QUERY_BAD_REGEX");
});

test("regular expressions of JavaScript keep their meaning", () => {
  expect(isFound(/^\u0041\x42\/$/, "AB/")).toBe(true);
  expect(isFound(/a.c/s, "a\nc")).toBe(true);
  expect(isFound(/a.c/, "a\nc")).toBe(false);
  expect(isFound(/^b/m, "a\nb")).toBe(true);
  expect(isFound(/STRASSE/i, "strasse")).toBe(true);
  expect(isFound(/^(?<year>\d{4})-\d\d$/u, "2026-11")).toBe(true);
  expect(isFound(/^.$/u, "😀")).toBe(true);
  expect(isFound(/^[\ud83d\ude00]$/u, "😀")).toBe(true);
  expect(isFound(/^\ud83d\ude00$/, "😀")).toBe(true);
  // oxlint-disable-next-line eslint/no-useless-escape -- Without the flag u these are letters.
  expect(isFound(/^\A\z\Q\\\p$/, "AzQ\\p")).toBe(true);
  const sticky = /x/gy;
  sticky.lastIndex = 5;
  expect(isFound(sticky, "axa")).toBe(true);
});

test("options are i, m, s, x and u", () => {
  expect(isFound("^B c", "a\nb c", "im")).toBe(true);
  expect(isFound("a.b", "a\nb", "s")).toBe(true);
  expect(isFound("a b # c", "ab", "x")).toBe(true);
  expect(isFound("ä", "Ä", "iu")).toBe(true);
});

test("the option x leaves classes, escapes and quotations alone", () => {
  expect(stripExtended("a b\t\n c # rest")).toBe("abc");
  expect(stripExtended("a#x\nb")).toBe("ab");
  expect(stripExtended("[ #] \\  \\# b")).toBe("[ #]\\ \\#b");
  expect(stripExtended("[] #]x y")).toBe("[] #]xy");
  expect(stripExtended("[^] ] y")).toBe("[^] ]y");
  expect(stripExtended("[[:space:] ] y [\\] ] z")).toBe("[[:space:] ]y[\\] ]z");
  expect(stripExtended("\\Qa b # c\\E d")).toBe("\\Qa b # c\\Ed");
  expect(stripExtended("a \\")).toBe("a\\");
  expect(stripExtended("[ a")).toBe("[ a");
});

test("simple patterns find what JavaScript's own engine finds", () => {
  const atom = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w", "\\d", "\\b", "(?:ab)", "\\.");
  const piece = fc
    .tuple(atom, fc.constantFrom("", "*", "+", "?", "{2}", "{0,1}", "*?"))
    .filter(([text, repeat]) => text !== "\\b" || repeat === "")
    .map((parts) => parts.join(""));
  const pattern = fc
    .tuple(
      fc.constantFrom("", "^"),
      fc.array(piece, { minLength: 1, maxLength: 4 }),
      fc.constantFrom("", "$", "|b"),
    )
    .map(([start, pieces, end]) => `${start}${pieces.join("")}${end}`);
  const text = fc.array(fc.constantFrom("a", "b", "1", " ", "\n", "é"), { maxLength: 6 });
  fc.assert(
    fc.property(pattern, text, (source, characters) => {
      const subject = characters.join("");
      expect(isFound(source, subject)).toBe(new RegExp(source).test(subject));
      expect(isFound(new RegExp(source), subject)).toBe(new RegExp(source).test(subject));
    }),
    { numRuns: 2000 },
  );
});
