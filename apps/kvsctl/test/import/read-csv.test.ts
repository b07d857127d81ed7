import * as fc from "fast-check";
import { expect, test } from "vitest";
import { readCsv } from "../../src/import/read-csv.ts";
import { type SourceRecord } from "../../src/import/source-record.ts";
import { CommandFailure } from "../../src/session.ts";
import { bytesOf, collect, inChunks } from "./chunks.ts";

/** The records of a text, by whole and byte by byte, which must be the same. */
async function read(text: string | Uint8Array): Promise<SourceRecord[]> {
  const bytes = typeof text === "string" ? bytesOf(text) : text;
  const whole = await collect(readCsv(inChunks(bytes, bytes.length)));

  expect(await collect(readCsv(inChunks(bytes, 1)))).toEqual(whole);
  return whole;
}

async function documents(text: string): Promise<unknown[]> {
  return (await read(text)).map(({ document, problem }) => document ?? problem);
}

test("the first line names the members", async () => {
  expect(await documents("name,age\nAda,36\nBob,7\n")).toEqual([
    { name: "Ada", age: 36 },
    { name: "Bob", age: 7 },
  ]);
});

test("quoted fields hold delimiters, quotes and newlines", async () => {
  const records = await read('a,b\r\n"x,""y""\n\nz",1\r\n\r\n2,"3"\r\n');

  expect(records).toMatchObject([
    { number: 1, line: 2, document: { a: 'x,"y"\n\nz', b: 1 } },
    { number: 2, line: 6, document: { a: 2, b: 3 } },
  ]);
});

test("a byte-order mark is no part of the first name", async () => {
  expect(await documents("\uFEFFa\n1")).toEqual([{ a: 1 }]);
});

test("semicolons and tabs are known by the first line", async () => {
  expect(await documents('a;b\n1,5;"x;y"\n')).toEqual([{ a: "1,5", b: "x;y" }]);
  expect(await documents("a\tb\n1\t2,3\n")).toEqual([{ a: 1, b: "2,3" }]);
});

test("numbers become numbers only if they come out as they went in", async () => {
  const fields = ["0", "-7", "1.5", "007", "1.50", "1e5", "9007199254740993", "-0", "1.2.3", "+1"];
  const found = await documents(`a\n${fields.join("\n")}\n`);

  expect(found).toEqual([
    { a: 0 },
    { a: -7 },
    { a: 1.5 },
    ...["007", "1.50", "1e5", "9007199254740993", "-0", "1.2.3", "+1"].map((a) => ({ a })),
  ]);
});

test("an _id stays text, an empty field is left out", async () => {
  expect(await documents("_id,a,b\n7,,x\n")).toEqual([{ _id: "7", b: "x" }]);
});

test("a column without a name is called by its place", async () => {
  expect(await documents(",a\n0,1\n")).toEqual([{ column_1: 0, a: 1 }]);
});

test("two columns of one name are refused", async () => {
  await expect(read("a,b,a\n1,2,3\n")).rejects.toThrow(CommandFailure);
  await expect(read("a,b,a\n")).rejects.toThrow('two columns are called "a"; rename one of them');
});

test("a bad record is named, and spoils no other", async () => {
  const records = await read('a,b\n"x"y,2\n3,4,5\n6\n7,8\n"9,10\n');

  expect(
    records.map(({ number, line, document, problem }) => [number, line, document ?? problem]),
  ).toEqual([
    [1, 2, "field 1 goes on behind its closing quote"],
    [2, 3, "it has 3 fields, the first line 2"],
    [3, 4, "it has 1 field, the first line 2"],
    [4, 5, { a: 7, b: 8 }],
    [5, 6, "a quote is not closed"],
  ]);
});

test("bytes that are no UTF-8 spoil their own record only", async () => {
  const bytes = bytesOf("a\n?\nb\n").map((byte) => (byte === 0x3f ? 0xe9 : byte));

  expect(await read(bytes)).toMatchObject([
    { problem: "it is not text in UTF-8" },
    { document: { a: "b" } },
  ]);
});

test("nothing comes of nothing", async () => {
  for (const text of ["", "\n", "a,b", "a,b\n"]) expect(await read(text)).toEqual([]);
});

test("what is written as CSV is read as it was", async () => {
  const field = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", " ", "é", "x") });
  const table = fc.array(fc.tuple(field, field, field), { minLength: 1 });
  const property = fc.asyncProperty(table, fc.integer({ min: 1, max: 7 }), async (rows, chunk) => {
    const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    const text = rows.map((row) => ["k", ...row].map(quote).join(",")).join("\n");
    const found = await collect(readCsv(inChunks(bytesOf(`n,a,b,c\n${text}`), chunk)));
    const wanted = rows.map((row) =>
      Object.fromEntries(
        [["n", "k"], ...row.map((value, at) => ["abc"[at], value])].filter(
          ([, value]) => value !== "",
        ),
      ),
    );

    expect(found.map(({ document }) => document)).toEqual(wanted);
  });
  await fc.assert(property, { numRuns: 200 });
});
