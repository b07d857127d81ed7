import * as fc from "fast-check";
import { expect, test } from "vitest";
import { splitJson, splitLines } from "../../src/import/split-json.ts";
import { type TextPiece } from "../../src/import/text-piece.ts";
import { bytesOf, collect, inChunks } from "./chunks.ts";

/** The pieces of a text, by whole and byte by byte, which must be the same. */
async function split(text: string | Uint8Array): Promise<TextPiece[]> {
  const bytes = typeof text === "string" ? bytesOf(text) : text;
  const whole = await collect(splitJson(inChunks(bytes, bytes.length)));

  expect(await collect(splitJson(inChunks(bytes, 1)))).toEqual(whole);
  return whole;
}

async function lines(text: string | Uint8Array): Promise<TextPiece[]> {
  const bytes = typeof text === "string" ? bytesOf(text) : text;
  const whole = await collect(splitLines(inChunks(bytes, bytes.length)));

  expect(await collect(splitLines(inChunks(bytes, 1)))).toEqual(whole);
  return whole;
}

const good = (text: string, line: number): TextPiece => ({ text, line, problem: undefined });

test("a list is cut into its values, with the lines they begin on", async () => {
  expect(await split('[\n {"a":1},\n\n {"b":"]},["}, 5,"x"\n]\n')).toEqual([
    good('{"a":1}', 2),
    good('{"b":"]},["}', 4),
    good("5", 4),
    good('"x"', 4),
  ]);
});

test("values one after the other need no list", async () => {
  expect(await split('{"a":1}{"b":2}\n{"c":[3]}')).toEqual([
    good('{"a":1}', 1),
    good('{"b":2}', 1),
    good('{"c":[3]}', 2),
  ]);
});

test("quotes and backslashes in strings end nothing", async () => {
  const value = String.raw`{"a":"\"}\\","b":"\\\""}`;

  expect(await split(`[${value},1]`)).toEqual([good(value, 1), good("1", 1)]);
});

test("a byte-order mark is left out", async () => {
  expect(await split('\uFEFF[{"a":1}]')).toEqual([good('{"a":1}', 1)]);
  expect(await lines('\uFEFF{"a":1}')).toEqual([good('{"a":1}', 1)]);
});

test("nothing comes of nothing", async () => {
  for (const text of ["", " \n", "[]", "[\n]\n"]) expect(await split(text)).toEqual([]);
  for (const text of ["", "\n\n", " \r\n"]) expect(await lines(text)).toEqual([]);
});

test("a file that is cut off says so", async () => {
  expect(await split('[{"a":1},{"b":')).toMatchObject([
    { line: 1, problem: undefined },
    { line: 1, problem: "it ends in the middle of a value" },
    { problem: "the list is not closed; is the file cut off?" },
  ]);
});

test("a quote that is missing spoils its own value only", async () => {
  const pieces = await split('[{"a":"x},\n{"b":"y"}\n},{"c":1}]');

  expect(pieces.at(-1)).toEqual(good('{"c":1}', 3));
});

test("bytes that are no UTF-8 spoil their own value only", async () => {
  const bytes = bytesOf('["a","?","b"]');
  bytes[bytes.indexOf(0x3f)] = 0xe9;
  const problem = "it is not text in UTF-8";

  expect(await split(bytes)).toEqual([
    good('"a"', 1),
    { text: "", line: 1, problem },
    good('"b"', 1),
  ]);
  expect(await lines(bytesOf("a\n?\nb").map((byte) => (byte === 0x3f ? 0xff : byte)))).toEqual([
    good("a", 1),
    { text: "", line: 2, problem },
    good("b", 3),
  ]);
});

test("a value longer than any document is named and passed over", async () => {
  const long = bytesOf(`{"a":"${"x".repeat(33 << 20)}"}`);
  const pieces = await collect(splitJson(inChunks(Buffer.concat([long, bytesOf("\n5")]), 1 << 20)));
  const problem = "it is longer than any document";

  expect(pieces).toEqual([{ text: "", line: 1, problem }, good("5", 2)]);
});

test("every list of values is cut where its values end, however it is written and cut", async () => {
  const values = fc.array(fc.oneof(fc.jsonValue(), fc.dictionary(fc.string(), fc.jsonValue())));
  const property = fc.asyncProperty(
    values,
    fc.nat(4),
    fc.integer({ min: 1, max: 9 }),
    async (list, indent, chunk) => {
      const bytes = bytesOf(JSON.stringify(list, null, indent));
      const pieces = await collect(splitJson(inChunks(bytes, chunk)));

      expect(pieces.map(({ text }) => JSON.parse(text) as unknown)).toEqual(
        JSON.parse(JSON.stringify(list)),
      );
    },
  );
  await fc.assert(property, { numRuns: 200 });
});

test("garbage never hangs and never throws", async () => {
  const property = fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
    await split(bytes);
    await lines(bytes);
  });
  await fc.assert(property, { numRuns: 300 });
});
