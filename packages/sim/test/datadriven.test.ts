import { isKvsError } from "@kvs/env";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type Directive,
  parseDirectives,
  runDataDriven,
  runDataDrivenAsync,
} from "../src/datadriven.ts";

/** Runs a file of directives; with KVS_REWRITE=1 it takes what is printed as expected. */
function runFile(url: URL, handler: (directive: Directive) => string): readonly string[] {
  const text = readFileSync(url, "utf8");
  const rewrite = process.env["KVS_REWRITE"] === "1";
  const file = url.pathname.split("/").at(-1)!;
  const result = runDataDriven(text, handler, { file, rewrite });
  if (rewrite) writeFileSync(url, result.text);
  return result.failures;
}

function calculator(): (directive: Directive) => string {
  let stack: number[] = [];
  return (directive) => {
    const inputLines = directive.input === "" ? [] : directive.input.split("\n");
    switch (directive.command) {
      case "push":
        stack.push(...directive.words.map(Number));
        return stack.join(" ");
      case "add": {
        for (let times = directive.integer("times", 1); times > 0; times--) {
          stack.push(stack.pop()! + stack.pop()!);
        }
        return `${stack.join(" ")}\n`;
      }
      case "sum": {
        const all = [...directive.list("of"), ...directive.list("and"), ...inputLines];
        return String(all.reduce((sum, text) => sum + Number(text), 0));
      }
      case "clear":
        stack = [];
        return "";
      case "paragraphs":
        return inputLines.join("\n\n");
      default:
        throw directive.error(`unknown command ${directive.command}`);
    }
  };
}

test("a file of every form of directive passes", () => {
  expect(runFile(new URL("datadriven/calculator.txt", import.meta.url), calculator())).toEqual([]);
});

test("an output that differs is reported with file, line and both texts", () => {
  const text = "push 1\n----\n1\n\n\npush 2\n----\n1\n3\n\npush 4\n----\n";

  const result = runDataDriven(
    text,
    ({ words }) => words.join() + (words[0] === "2" ? "\n3" : ""),
    {
      file: "stack.txt",
    },
  );

  expect(result.text).toBe(text);
  expect(result.failures).toEqual([
    "stack.txt:6: push prints something else from line 1 of its output on\n" +
      "expected:\n  1\n  3\nprinted:\n  2\n  3",
    "stack.txt:11: push prints something else from line 1 of its output on\n" +
      "expected:\n  \nprinted:\n  4",
  ]);
});

describe("rewriting", () => {
  const outputs: Record<string, string> = {
    plain: "new",
    none: "",
    blank: "a\n\nb",
    separator: "----",
    inner: "a\n----",
    many: "1\n2\n3\n\n\n",
  };
  const print = ({ command }: Directive): string => outputs[command]!;

  test("replaces outputs, keeps everything else, and then the text passes", () => {
    const text =
      "# head\n\nplain a=1\n----\nold\n\n# between\nblank\ninput\n----\n\nnone\n----\nold\nold\n\n" +
      "separator\n----\ninner\n----\n\nseparator\n----\n\ninner\n----\n\nmany\n----\n----\nx\n\n----\n----\n# tail\n";

    const { text: rewritten, failures } = runDataDriven(text, print, { rewrite: true });

    expect(failures).toEqual([]);
    expect(rewritten).toBe(
      "# head\n\nplain a=1\n----\nnew\n\n# between\nblank\ninput\n----\n----\na\n\nb\n----\n----\n\n" +
        "none\n----\n\nseparator\n----\n----\n----\n----\n----\n\n" +
        "separator\n----\n----\n----\n----\n----\n\ninner\n----\na\n----\n\nmany\n----\n1\n2\n3\n# tail\n",
    );
  });

  test("is stable for every output, wherever the text ends", () => {
    for (const command of Object.keys(outputs)) {
      for (const tail of ["", "\n", "\n\n", "\n\nplain\n----\nnew\n"]) {
        const once = runDataDriven(`${command}\n----${tail}`, print, { rewrite: true }).text;

        expect(runDataDriven(once, print, { rewrite: true }).text).toBe(once);
        expect(runDataDriven(once, print).failures).toEqual([]);
      }
    }
  });
});

test("an output that no text can hold is refused when it is written", () => {
  const print = (): string => "\n----\n----\na";

  expect(() => runDataDriven("a\n----\n", print, { rewrite: true })).toThrow(
    "datadriven:1: no output holds two lines of ---- in a row",
  );
});

test("words are bare, have a value, or a list", () => {
  const text = "put key=a=b term=3 to=( n1 , n2 ) empty=() durable (a b) none= -1\n----\n";

  const [directive] = parseDirectives(text, "x.txt");

  expect(directive).toMatchObject({
    position: "x.txt:1",
    command: "put",
    words: ["durable", "(a b)", "-1"],
    input: "",
    expected: "",
  });
  expect(directive!.optionNames).toEqual(["key", "term", "to", "empty", "none"]);
  expect(directive!.option("key")).toBe("a=b");
  expect(directive!.integer("term")).toBe(3);
  expect(directive!.integer("absent", 7)).toBe(7);
  expect(directive!.list("to")).toEqual(["n1", "n2"]);
  expect(directive!.list("term")).toEqual(["3"]);
  expect(directive!.list("empty")).toEqual([]);
  expect(directive!.list("absent")).toEqual([]);
  expect(directive!.option("absent")).toBeUndefined();
  expect(directive!.has("durable")).toBe(true);
  expect(directive!.has("key")).toBe(false);
  expect(() => directive!.option("to")).toThrow("x.txt:1: to takes one value");
  expect(() => directive!.integer("key")).toThrow('key=… is an integer, not "a=b"');
  expect(() => directive!.integer("none")).toThrow('none=… is an integer, not ""');
  expect(() => directive!.integer("absent")).toThrow('absent=… is an integer, not "absent"');
});

test.each([
  ["\nput a\n", '2: "put a" has no ---- below it'],
  ["put\n----\n----\na\n----\n", "1: the doubled ---- is never closed"],
  ["put a=(b\n----\n", "1: parentheses do not match"],
  ["put a=)b(\n----\n", "1: parentheses do not match"],
  ["a=1\n----\n", "1: a directive begins with a bare word"],
  ["put a=1 a=2\n----\n", "1: a is given twice"],
])("%j is refused with its line", (text, message) => {
  const run = (): unknown => runDataDriven(text, () => "", { file: "bad.txt" });

  expect(run).toThrow(`SIM_DATADRIVEN_INVALID: bad.txt:${message}`);
});

function failureOf(thrown: unknown): unknown {
  try {
    runDataDriven("ok\n----\n\nput\n----\n", ({ command }) => {
      if (command === "put") throw thrown;
      return "";
    });
  } catch (error) {
    return error;
  }
  return undefined;
}

test("what a handler throws is reported with file and line", () => {
  const cause = new Error("disk on fire");

  const failure = failureOf(cause);

  expect(isKvsError(failure, "SIM_DATADRIVEN_FAILED")).toBe(true);
  expect(failure).toMatchObject({
    message: "SIM_DATADRIVEN_FAILED: datadriven:4: put threw: disk on fire",
    cause,
  });
  expect(failureOf("a text")).toMatchObject({ message: expect.stringContaining("threw: a text") });
});

test("handlers may wait, and run one after the other", async () => {
  const log: string[] = [];
  const handler = async ({ words }: Directive): Promise<string> => {
    log.push(`begin ${words[0]}`);
    await Promise.resolve();
    log.push(`end ${words[0]}`);
    if (words[0] === "3") throw new Error("three");
    return words[0]!;
  };

  const result = await runDataDrivenAsync("go 1\n----\n1\n\ngo 2\n----\n?\n", handler);

  expect(log).toEqual(["begin 1", "end 1", "begin 2", "end 2"]);
  expect(result.failures.length).toBe(1);
  const rewritten = await runDataDrivenAsync("go 1\n----", handler, { rewrite: true });
  expect(rewritten.text).toBe("go 1\n----\n1");
  await expect(runDataDrivenAsync("go 3\n----\n", handler, { file: "f" })).rejects.toThrow(
    "f:1: go threw: three",
  );
});
