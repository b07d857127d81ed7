import { AssertionFailure } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { VARINT_MAX_BYTES, readVarint, varintLength, writeVarint } from "../src/varint.ts";
import { errorOf, feedDamaged, feedGarbage, fromHex, toHex } from "./hostile.ts";

const unsigned = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.nat(52).map((bits) => 2 ** bits),
  fc.integer({ min: 1, max: 53 }).map((bits) => 2 ** bits - 1),
);

function written(value: number): Uint8Array {
  const target = new Uint8Array(VARINT_MAX_BYTES);
  return target.slice(0, writeVarint(target, 0, value));
}

test("a varint comes back, and its length is the one foretold", () => {
  fc.assert(
    fc.property(unsigned, (value) => {
      const bytes = written(value);

      expect(readVarint(bytes, 0)).toBe(value);
      expect(bytes).toHaveLength(varintLength(value));
    }),
  );
});

test.each([
  [0, "00"],
  [127, "7f"],
  [128, "80 01"],
  [300, "ac 02"],
  [2 ** 32, "80 80 80 80 10"],
  [2 ** 53 - 1, "ff ff ff ff ff ff ff 0f"],
])("%d is written as %s", (value, hex) => {
  expect(toHex(written(value))).toBe(hex);
});

test("a varint is read between others, at its offset", () => {
  const bytes = fromHex("ff ac 02 05");

  expect(readVarint(bytes, 1)).toBe(300);
  expect(readVarint(bytes, 3)).toBe(5);
});

test("a varint that goes on past the end is truncated", () => {
  expect(errorOf(() => readVarint(fromHex(""), 0))).toBe("CODEC_TRUNCATED");
  expect(errorOf(() => readVarint(fromHex("80 80"), 0))).toBe("CODEC_TRUNCATED");
  expect(errorOf(() => readVarint(fromHex("ac 02"), 0, 1))).toBe("CODEC_TRUNCATED");
});

test("a varint longer than it need be is refused", () => {
  expect(errorOf(() => readVarint(fromHex("80 00"), 0))).toBe("CODEC_MALFORMED");
  expect(errorOf(() => readVarint(fromHex("ff 80 00"), 0))).toBe("CODEC_MALFORMED");
});

test("a varint of 2^53 or more is refused, however long", () => {
  expect(errorOf(() => readVarint(fromHex("80 80 80 80 80 80 80 10"), 0))).toBe(
    "CODEC_OUT_OF_RANGE",
  );
  expect(errorOf(() => readVarint(new Uint8Array(1000).fill(0x80), 0))).toBe("CODEC_OUT_OF_RANGE");
  expect(errorOf(() => readVarint(new Uint8Array(1000).fill(0xff), 0))).toBe("CODEC_OUT_OF_RANGE");
});

test("damaged varints give a typed error, or the value whose bytes they are", () => {
  const decode = (bytes: Uint8Array): void => {
    const value = readVarint(bytes, 0);
    expect(toHex(bytes).startsWith(toHex(written(value)))).toBe(true);
  };

  for (const value of [0, 128, 2 ** 31, 2 ** 53 - 1])
    feedDamaged({ valid: written(value), decode });
  feedGarbage(decode);
});

test("only integers in [0, 2^53) are written", () => {
  for (const value of [-1, 0.5, NaN, 2 ** 53]) {
    expect(() => writeVarint(new Uint8Array(16), 0, value)).toThrow(AssertionFailure);
    expect(() => varintLength(value)).toThrow(AssertionFailure);
  }
});

test("a varint is never written past the end of the target", () => {
  expect(() => writeVarint(new Uint8Array(1), 0, 128)).toThrow(AssertionFailure);
});
