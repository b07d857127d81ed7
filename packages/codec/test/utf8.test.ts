import { AssertionFailure } from "@kvs/env";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeUtf8, encodeUtf8, encodeUtf8Into, isUtf8, utf8Length } from "../src/utf8.ts";
import { text } from "./arbitrary.ts";
import { errorOf, fromHex } from "./hostile.ts";

test("a text comes back from its bytes, byte order mark included", () => {
  fc.assert(
    fc.property(text, (value) => {
      const bytes = encodeUtf8(value);

      expect(bytes).toEqual(new TextEncoder().encode(value));
      expect(utf8Length(value)).toBe(bytes.length);
      expect(decodeUtf8(bytes)).toBe(value);
      expect(isUtf8(bytes)).toBe(true);
    }),
  );
  expect(decodeUtf8(encodeUtf8("\uFEFF" + "a".repeat(100)))).toHaveLength(101);
});

test("every code point comes back, and a lone surrogate is refused", () => {
  for (let point = 0; point <= 0x10_ffff; point += point < 0x1_0000 ? 1 : 97) {
    const value = String.fromCodePoint(point);
    if (point >= 0xd800 && point <= 0xdfff) {
      if (point % 64 === 0) expect(errorOf(() => encodeUtf8(value))).toBe("CODEC_UNSUPPORTED");
    } else if (decodeUtf8(encodeUtf8(value)) !== value) {
      expect.fail(`U+${point.toString(16)} changed`);
    }
  }
});

test("a lone surrogate is refused in short and in long texts, and counts three bytes", () => {
  for (const value of ["\ud800", "a\udc00b", "\udc00\ud800", "x".repeat(100) + "\ud800"]) {
    expect(errorOf(() => encodeUtf8(value))).toBe("CODEC_UNSUPPORTED");
  }
  expect(utf8Length("\ud800")).toBe(3);
});

test("what is not UTF-8 is refused, exactly where the platform's strict decoder refuses it", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const accepts = (bytes: Uint8Array): boolean => {
    try {
      strict.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const awkward = fc.constantFrom(0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2);
  const leads = fc.constantFrom(0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf3, 0xf4, 0xf5);
  const bytes = fc.array(fc.oneof(awkward, leads, fc.nat(255)), { maxLength: 24 });

  fc.assert(
    fc.property(bytes, (list) => {
      const input = Uint8Array.from(list);
      const isValid = accepts(input);

      expect(isUtf8(input)).toBe(isValid);
      expect(errorOf(() => decodeUtf8(input))).toBe(isValid ? undefined : "CODEC_INVALID_UTF8");
    }),
    { numRuns: 3000 },
  );
});

test.each([
  ["an overlong slash", "c0 af"],
  ["an overlong of three bytes", "e0 80 af"],
  ["an overlong of four bytes", "f0 80 80 af"],
  ["a surrogate", "ed a0 80"],
  ["a code point above U+10FFFF", "f4 90 80 80"],
  ["a lone continuation byte", "80"],
  ["a sequence cut short", "e2 82"],
])("%s is not UTF-8", (_what, hex) => {
  expect(isUtf8(fromHex(hex))).toBe(false);
  expect(errorOf(() => decodeUtf8(fromHex(hex)))).toBe("CODEC_INVALID_UTF8");
});

test("only the range is looked at", () => {
  const bytes = fromHex("ff 61 62 ff");

  expect(decodeUtf8(bytes, 1, 3)).toBe("ab");
  expect(isUtf8(bytes, 1, 3)).toBe(true);
  expect(() => decodeUtf8(bytes, 1, 5)).toThrow(AssertionFailure);
});

test("a text that does not fit its target is a bug of the caller", () => {
  expect(() => encodeUtf8Into("abc", new Uint8Array(2), 0)).toThrow(AssertionFailure);
  expect(() => encodeUtf8Into("a".repeat(99), new Uint8Array(98), 0)).toThrow(AssertionFailure);
});
