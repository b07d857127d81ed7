import { AssertionFailure } from "@kvs/env";
import { expect, test } from "vitest";
import { ByteReader } from "../src/byte-reader.ts";
import { ByteWriter } from "../src/byte-writer.ts";
import { errorOf, feedDamaged, feedGarbage, fromHex } from "./hostile.ts";

/** One field of each kind. */
function readRecord(bytes: Uint8Array): void {
  const reader = new ByteReader(bytes);
  reader.u8();
  reader.u16();
  reader.u16be();
  reader.u32();
  reader.u32be();
  reader.u48();
  reader.u64();
  reader.f64();
  reader.varint();
  reader.varBytes();
  reader.varString();
  reader.skip(2);
  reader.copy(2);
  reader.string(2);
  reader.expectEnd();
}

function validRecord(): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(1);
  writer.u16(2);
  writer.u16be(3);
  writer.u32(4);
  writer.u32be(5);
  writer.u48(6);
  writer.u64(7);
  writer.f64(8);
  writer.varint(900);
  writer.varBytes(Uint8Array.of(1, 2, 3));
  writer.varString("Grüße");
  writer.string("abcdef");
  return writer.toBytes();
}

test("a record is read whole, and each damaged form gives a typed error or a value", () => {
  readRecord(validRecord());
  feedDamaged({ valid: validRecord(), decode: readRecord });
  feedGarbage(readRecord);
});

test("over-reading is an error for every field, and does not move the reader", () => {
  const reads: ((reader: ByteReader) => unknown)[] = [
    (reader) => reader.u16(),
    (reader) => reader.u16be(),
    (reader) => reader.u32(),
    (reader) => reader.u32be(),
    (reader) => reader.u48(),
    (reader) => reader.u64(),
    (reader) => reader.f64(),
    (reader) => reader.varint(),
    (reader) => reader.varBytes(),
    (reader) => reader.varString(),
    (reader) => reader.bytes(2),
    (reader) => reader.copy(0xffff_ffff),
    (reader) => reader.string(2 ** 52),
    (reader) => reader.skip(2),
  ];

  for (const read of reads) {
    const reader = new ByteReader(fromHex("00 80 00"), 1, 2); // never looks past its range
    expect(errorOf(() => read(reader))).toBe("CODEC_TRUNCATED");
    expect(reader.position).toBe(1);
  }
  const empty = new ByteReader(new Uint8Array(0));
  expect(errorOf(() => empty.u8())).toBe("CODEC_TRUNCATED");
});

test("a false length of 2^32 - 1 is refused, and the reader stays before it", () => {
  const bytes = fromHex("ff ff ff ff 0f 61");

  for (const read of ["varBytes", "varString"] as const) {
    const reader = new ByteReader(bytes);
    expect(errorOf(() => reader[read]())).toBe("CODEC_TRUNCATED");
    expect(reader.position).toBe(0);
  }
});

test("a text that is not UTF-8 is refused, and the reader stays before it", () => {
  const reader = new ByteReader(fromHex("02 c0 af"));

  expect(errorOf(() => reader.varString())).toBe("CODEC_INVALID_UTF8");
  expect(reader.position).toBe(0);
  expect(errorOf(() => reader.string(3))).toBe("CODEC_INVALID_UTF8");
  expect(reader.position).toBe(0);
});

test("an integer of 2^53 or more is refused, and the reader stays before it", () => {
  const reader = new ByteReader(fromHex("00 00 00 00 00 00 20 00"));

  expect(errorOf(() => reader.u64())).toBe("CODEC_OUT_OF_RANGE");
  expect(reader.position).toBe(0);
});

test("a view shows later changes of the input, a copy does not", () => {
  const input = Buffer.from("010203", "hex"); // a Buffer's own slice would not copy
  const view = new ByteReader(input).bytes(3);
  const copy = new ByteReader(input).copy(3);
  input[0] = 9;

  expect(view[0]).toBe(9);
  expect(copy).toEqual(Uint8Array.of(1, 2, 3));
});

test("bytes left over are an error where the end is expected", () => {
  const reader = new ByteReader(fromHex("01 02"));
  reader.u8();

  expect(reader.remaining).toBe(1);
  expect(errorOf(() => reader.expectEnd())).toBe("CODEC_MALFORMED");
});

test("a reader starts over with other bytes", () => {
  const reader = new ByteReader(fromHex("01"));
  reader.u8();
  reader.reset(fromHex("aa bb cc"), 1);

  expect(reader.position).toBe(1);
  expect(reader.u16be()).toBe(0xbbcc);
  expect(() => reader.reset(fromHex("aa"), 0, 2)).toThrow(AssertionFailure);
  expect(() => reader.skip(-1)).toThrow(AssertionFailure);
});
