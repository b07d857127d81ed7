import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { Output, fitWidths } from "../src/output.ts";

/** What is written to a terminal of some columns, or into a pipe. */
class Screen {
  readonly output: Output;
  readonly #stream = new PassThrough();

  constructor(columns: number | undefined, isJson = false) {
    const terminal = columns === undefined ? {} : { isTTY: true, columns };
    const stream = Object.assign(this.#stream, terminal) as unknown as NodeJS.WriteStream;
    this.output = new Output(isJson, stream);
  }

  get text(): string {
    const chunk: unknown = this.#stream.read();
    return Buffer.isBuffer(chunk) ? chunk.toString() : "";
  }
}

test("documents are a table: _id first, then the most frequent members", async () => {
  const screen = new Screen(80);

  await screen.output.documents([
    { b: 1, a: 2, _id: "1" },
    { a: [3], _id: "2" },
  ]);

  expect(`\n${screen.text}`).toBe(`
┌─────┬─────┬───┐
│ _id │ a   │ b │
├─────┼─────┼───┤
│ 1   │ 2   │ 1 │
│ 2   │ [3] │   │
└─────┴─────┴───┘
`);
});

test.each([30, 60, 80, 200])("a table on a terminal of %d columns is no wider", async (columns) => {
  const screen = new Screen(columns);
  const document = Object.fromEntries(
    Array.from({ length: 12 }, (_, at) => [`member${at}`, "text ".repeat(at * 5)]),
  );

  await screen.output.documents([document]);

  const lines = screen.text.split("\n").filter((line) => /^[│┌├└]/.test(line));
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
});

test("what has no room is named", async () => {
  const screen = new Screen(30);

  await screen.output.documents([{ _id: "1", a: 1, b: 2 }]);

  expect(screen.text).toContain("(no room for b; --json shows everything)");
});

test("stored text commands no terminal", async () => {
  const screen = new Screen(80);

  await screen.output.line("red \u001B[31m\u0007");
  await screen.output.table(["a"], [["\u001B]0;title"]]);

  const { text } = screen;
  expect(text).not.toContain("\u0007");
  expect(text).not.toContain("\u001B");
});

test("text into a pipe is as it was stored", async () => {
  const screen = new Screen(undefined);

  await screen.output.line("red \u001B[31m");

  expect(screen.text).toBe("red \u001B[31m\n");
});

test("sentences are left out with --json", async () => {
  const screen = new Screen(80, true);

  await screen.output.say("done");
  await screen.output.value({ a: new Date(0) });

  expect(screen.text).toBe('{"a":{"$date":"1970-01-01T00:00:00.000Z"}}\n');
});

test("the widest columns give way first", () => {
  expect(fitWidths([5, 10], 80)).toEqual([5, 10]);
  expect(fitWidths([5, 200], 200)).toEqual([5, 60]);
  expect(fitWidths([5, 50, 50], 60)).toEqual([5, 22, 23]);
  expect(fitWidths([50, 50], 10)).toEqual([10, 10]);
});
