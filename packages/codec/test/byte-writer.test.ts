import { AssertionFailure } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "../src/byte-reader.ts";
import { ByteWriter } from "../src/byte-writer.ts";
import { bytes, text } from "./arbitrary.ts";
import { errorOf, toHex } from "./hostile.ts";

type Field = { [Type in keyof Fields]: readonly [Type, Fields[Type]] }[keyof Fields];
interface Fields {
  readonly u8: number;
  readonly u16: number;
  readonly u16be: number;
  readonly u32: number;
  readonly u32be: number;
  readonly u48: number;
  readonly u64: number;
  readonly varint: number;
  readonly f64: number;
  readonly varBytes: Uint8Array;
  readonly varString: string;
}

const field: fc.Arbitrary<Field> = fc.oneof(
  ...(["u8"] as const).map((type) => fc.tuple(fc.constant(type), fc.nat(0xff))),
  ...(["u16", "u16be"] as const).map((type) => fc.tuple(fc.constant(type), fc.nat(0xffff))),
  ...(["u32", "u32be"] as const).map((type) =>
    fc.tuple(fc.constant(type), fc.integer({ min: 0, max: 0xffff_ffff })),
  ),
  fc.tuple(fc.constant("u48" as const), fc.integer({ min: 0, max: 2 ** 48 - 1 })),
  ...(["u64", "varint"] as const).map((type) => fc.tuple(fc.constant(type), fc.maxSafeNat())),
  fc.tuple(fc.constant("f64" as const), fc.double()),
  fc.tuple(fc.constant("varBytes" as const), bytes),
  fc.tuple(fc.constant("varString" as const), text),
);

function write(writer: ByteWriter, [type, value]: Field): void {
  (writer[type] as (value: Fields[keyof Fields]) => void).call(writer, value);
}

test("what is written in any order is read back, from small storage as from large", () => {
  fc.assert(
    fc.property(fc.array(field), fc.integer({ min: 1, max: 300 }), (fields, initialBytes) => {
      const writer = new ByteWriter({ initialBytes });
      for (const each of fields) write(writer, each);

      const reader = new ByteReader(writer.toBytes());
      for (const [type, value] of fields) expect(reader[type]()).toEqual(value);
      reader.expectEnd();
    }),
  );
});

test.each([
  ["u16", 0x0102, "02 01"],
  ["u16be", 0x0102, "01 02"],
  ["u32", 0x8102_0304, "04 03 02 81"],
  ["u32be", 0x8102_0304, "81 02 03 04"],
  ["u48", 0x8102_0304_0506, "06 05 04 03 02 81"],
  ["u64", 0x01_0203_0405_0607, "07 06 05 04 03 02 01 00"],
  ["u64", Number.MAX_SAFE_INTEGER, "ff ff ff ff ff ff 1f 00"],
  ["f64", 1, "00 00 00 00 00 00 f0 3f"],
  ["f64", Number.NaN, "00 00 00 00 00 00 f8 7f"],
] as const)("%s writes %d as %s", (type, value, hex) => {
  const writer = new ByteWriter();
  writer[type](value);

  expect(toHex(writer.view())).toBe(hex);
});

test("a value outside its type is a bug of the caller", () => {
  const writer = new ByteWriter();
  const sizes = { u8: 8, u16: 16, u16be: 16, u32: 32, u32be: 32, u48: 48, u64: 53, varint: 53 };

  for (const [type, bits] of Object.entries(sizes)) {
    for (const value of [2 ** bits, -1, 0.5, NaN]) {
      const act = (): void => writer[type as keyof typeof sizes](value);
      expect(act, `${type}(${value})`).toThrow(AssertionFailure);
    }
  }
  expect(writer.position).toBe(0);
});

test("a view shows the storage, a copy is one's own", () => {
  const writer = new ByteWriter();
  writer.u8(1);
  const view = writer.view();
  const copy = writer.toBytes();

  writer.reset();
  writer.u8(2);

  expect(view[0]).toBe(2);
  expect(copy[0]).toBe(1);
});

test("a writer used again keeps its storage, unless it has grown large", () => {
  const writer = new ByteWriter({ initialBytes: 8 });
  writer.zeros(1000);
  const grown = writer.buffer;
  writer.reset();
  expect(writer.buffer).toBe(grown);

  writer.zeros(2 << 20);
  writer.reset();
  expect(writer.buffer).toHaveLength(8);
  expect(writer.position).toBe(0);
});

test("the limit holds for every kind of field, and what was written stays", () => {
  const tooLong: ((writer: ByteWriter) => void)[] = [
    (writer) => writer.u32(1),
    (writer) => writer.u64(1),
    (writer) => writer.f64(1),
    (writer) => writer.varint(2 ** 40),
    (writer) => writer.bytes(new Uint8Array(4)),
    (writer) => writer.varBytes(new Uint8Array(3)),
    (writer) => writer.string("äa€"),
    (writer) => writer.varString("äö"),
    (writer) => writer.zeros(2 ** 40),
    (writer) => writer.claim(4),
  ];

  for (const act of tooLong) {
    const writer = new ByteWriter({ initialBytes: 1, maxBytes: 10 });
    writer.zeros(7);
    expect(errorOf(() => act(writer))).toBe("CODEC_TOO_LARGE");
    expect(writer.position).toBe(7);
  }
});

test("a text that just fits is written, though three bytes a unit would not fit", () => {
  const writer = new ByteWriter({ initialBytes: 1, maxBytes: 10 });

  expect(writer.string("0123456789")).toBe(10);
  expect(writer.buffer).toHaveLength(10);
});

test("a text with a lone surrogate changes nothing", () => {
  const writer = new ByteWriter();

  expect(errorOf(() => writer.string("\ud800"))).toBe("CODEC_UNSUPPORTED");
  expect(errorOf(() => writer.varString("a\ud800"))).toBe("CODEC_UNSUPPORTED");
  expect(writer.position).toBe(0);
});

test("a length is patched in once it is known", () => {
  const writer = new ByteWriter();
  const at = writer.claim(4);
  writer.string("body");
  writer.patchU32(at, writer.position - 4);

  expect(toHex(writer.view())).toBe("04 00 00 00 62 6f 64 79");
  expect(toHex(writer.view(4, 6))).toBe("62 6f");
  expect(() => writer.patchU32(5, 1)).toThrow(AssertionFailure);
});

test("truncation takes back what came last", () => {
  const writer = new ByteWriter();
  writer.u16(1);
  writer.u16(2);
  writer.truncate(2);

  expect(toHex(writer.toBytes())).toBe("01 00");
  expect(() => writer.truncate(3)).toThrow(AssertionFailure);
});

test("zeros overwrite what an earlier use left in the storage", () => {
  const writer = new ByteWriter();
  writer.bytes(new Uint8Array(8).fill(0xaa));
  writer.reset();
  writer.zeros(8);

  expect(writer.toBytes()).toEqual(new Uint8Array(8));
});
