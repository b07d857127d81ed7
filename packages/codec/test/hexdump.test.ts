import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";
import { encodeKey } from "../src/ordered-key.ts";
import { hexdump } from "../src/hexdump.ts";

test("rows show offset, bytes and ASCII", () => {
  const bytes = Uint8Array.from({ length: 18 }, (_, at) => 0x3a + at * 4);

  expect(`\n${hexdump(bytes)}\n`).toBe(`
00000000  3a 3e 42 46 4a 4e 52 56 5a 5e 62 66 6a 6e 72 76  |:>BFJNRVZ^bfjnrv|
00000010  7a 7e                                            |z~|
`);
});

test("a note begins a row of its own", () => {
  const bytes = encodeKey(["a", 1]);
  const notes = [
    { from: 0, to: 1, text: "tuple" },
    { from: 1, to: 4, text: 'text "a"' },
    { from: 4, to: 13, text: "number 1" },
  ];

  expect(`\n${hexdump(bytes, { notes, baseOffset: 0x1000 })}\n`).toBe(`
00001000  60                                               |\`|                 tuple
00001001  40 61 00                                         |@a.|               text "a"
00001004  30 bf f0 00 00 00 00 00 00                       |0........|         number 1
0000100d  00                                               |.|
`);
});

test("a note longer than a row names its first row, and rows that repeat become one asterisk", () => {
  const bytes = new Uint8Array(100);
  bytes[0] = 1;

  expect(`\n${hexdump(bytes, { notes: [{ from: 0, to: 100, text: "free" }] })}\n`).toBe(`
00000000  01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|  free
00000010  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  |................|
*
00000060  00 00 00 00                                      |....|
`);
});

test("no bytes print nothing, and too many are counted", () => {
  expect(hexdump(new Uint8Array(0))).toBe("");
  expect(hexdump(new Uint8Array(5), { maxBytes: 2 })).toMatch(
    /^00000000 {2}00 00 .*\n… 3 more bytes$/,
  );
  expect(hexdump(new Uint8Array(70_000)).split("\n").at(-1)).toBe("… 4464 more bytes");
});

test("notes beyond what is shown are left out", () => {
  const notes = [
    { from: 0, to: 3, text: "shown in part" },
    { from: 3, to: 5, text: "not shown" },
  ];

  expect(hexdump(new Uint8Array(6), { notes, maxBytes: 2 })).toMatch(
    /shown in part\n… 4 more bytes$/,
  );
});

test("notes out of order, overlapping or past the end are a bug of the caller", () => {
  const bytes = new Uint8Array(8);
  const note = (from: number, to: number): { from: number; to: number; text: string } => ({
    from,
    to,
    text: "",
  });

  for (const notes of [
    [note(2, 4), note(3, 5)],
    [note(4, 5), note(0, 1)],
    [note(3, 3)],
    [note(7, 9)],
  ]) {
    expect(() => hexdump(bytes, { notes })).toThrow(AssertionFailure);
  }
});
