import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../src/compare-bytes.ts";
import { type Key, compareKeys } from "../src/key.ts";
import { KEY_MAX_BYTES, encodeKey, encodeKeyInto } from "../src/ordered-key.ts";
import { decodeKey } from "../src/ordered-key-decode.ts";
import { key, sign } from "./arbitrary.ts";
import { errorOf, feedDamaged, feedGarbage, fromHex, toHex } from "./hostile.ts";

const RUNS = { numRuns: 2000 };

/** -0 becomes 0; all else comes back as it was put. */
function normal(value: Key): Key {
  if (Array.isArray(value)) return value.map((part) => normal(part) as never);
  return value === 0 ? 0 : value;
}

test("a key comes back as it was put", () => {
  fc.assert(
    fc.property(key, (value) => {
      expect(decodeKey(encodeKey(value))).toStrictEqual(normal(value));
    }),
    RUNS,
  );
});

test("encoded keys compare as the keys do", () => {
  fc.assert(
    fc.property(key, key, (left, right) => {
      const order = compareBytes(encodeKey(left), encodeKey(right));

      expect(sign(order)).toBe(sign(compareKeys(left, right)));
    }),
    RUNS,
  );
});

test("no encoded key begins another, so what is appended never changes their order", () => {
  const withSuffix = (value: Key, suffix: Uint8Array): Uint8Array =>
    Uint8Array.from([...encodeKey(value), ...suffix]);

  fc.assert(
    fc.property(key, key, fc.uint8Array(), fc.uint8Array(), (left, right, one, other) => {
      fc.pre(compareKeys(left, right) !== 0);
      const order = compareBytes(withSuffix(left, one), withSuffix(right, other));

      expect(sign(order)).toBe(sign(compareKeys(left, right)));
    }),
    RUNS,
  );
});

test("a part and the tuple of that part are different keys", () => {
  expect(decodeKey(encodeKey("a"))).toBe("a");
  expect(decodeKey(encodeKey(["a"]))).toEqual(["a"]);
  expect(decodeKey(encodeKey([]))).toEqual([]);
});

test("a key is encoded in place, and only there", () => {
  const target = new Uint8Array(32).fill(0xaa);
  const length = encodeKeyInto("key", target, 3);

  expect(toHex(target.subarray(0, 10))).toBe("aa aa aa 40 6b 65 79 00 aa aa");
  expect(length).toBe(5);
  expect(decodeKey(target, 3, 3 + length)).toBe("key");
});

test.each([
  ["a text", (bytes: number): Key => "x".repeat(bytes - 2)],
  ["a text of two bytes a character", (bytes: number): Key => "ü".repeat((bytes - 2) / 2)],
  ["a text of zeros", (bytes: number): Key => "\0".repeat((bytes - 2) / 2)],
  ["bytes", (bytes: number): Key => new Uint8Array(bytes - 2).fill(7)],
  ["bytes of zeros", (bytes: number): Key => new Uint8Array((bytes - 2) / 2)],
  ["a tuple of nulls", (bytes: number): Key => Array.from({ length: bytes - 2 }, () => null)],
])("%s may take 1024 bytes, and not one more", (_what, make) => {
  expect(encodeKey(make(KEY_MAX_BYTES))).toHaveLength(KEY_MAX_BYTES);
  expect(errorOf(() => encodeKey(make(KEY_MAX_BYTES + 2)))).toBe("CODEC_KEY_TOO_LARGE");
  expect(encodeKey(make(KEY_MAX_BYTES + 2), 2048)).toHaveLength(KEY_MAX_BYTES + 2);
});

test("every key is refused by every limit below its length, and fills it exactly", () => {
  const keys: Key[] = [null, true, 1.5, "aü€😀\0", Uint8Array.of(0, 9), [1, "a"], []];

  for (const value of keys) {
    const { length } = encodeKey(value);
    expect(encodeKey(value, length)).toHaveLength(length);
    for (let limit = 0; limit < length; limit++) {
      expect(errorOf(() => encodeKey(value, limit))).toBe("CODEC_KEY_TOO_LARGE");
      const small = new Uint8Array(limit);
      expect(errorOf(() => encodeKeyInto(value, small))).toBe("CODEC_KEY_TOO_LARGE");
    }
  }
});

test("a text of a hundred million characters is refused without being encoded", () => {
  expect(errorOf(() => encodeKey("x".repeat(100_000_000)))).toBe("CODEC_KEY_TOO_LARGE");
});

test("what is no key is refused", () => {
  const noKeys: unknown[] = [NaN, undefined, 1n, {}, Symbol.iterator, () => 1, new Date(0)];
  const nested: unknown[] = [[[]], [["a"]], [undefined], [NaN], ["\ud800"], "a\ud800"];

  for (const value of [...noKeys, ...nested]) {
    expect(errorOf(() => encodeKey(value as Key))).toBe("CODEC_UNSUPPORTED");
  }
});

test("damaged keys give a typed error, or a key with exactly these bytes", () => {
  const decode = (bytes: Uint8Array): void => {
    expect(toHex(encodeKey(decodeKey(bytes), 4096))).toBe(toHex(bytes));
  };
  const keys: Key[] = [
    null,
    0,
    -1.5,
    "a\0\u0001ü",
    Uint8Array.of(0, 1, 2),
    ["a", 1, null, true],
    [],
  ];

  for (const value of keys) feedDamaged({ valid: encodeKey(value), decode });
  feedGarbage(decode);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => void errorOf(() => decode(bytes))),
  );
});

test.each([
  ["no bytes", "", "CODEC_TRUNCATED"],
  ["an unknown tag", "99", "CODEC_MALFORMED"],
  ["the end alone", "00", "CODEC_MALFORMED"],
  ["a tuple in a tuple", "60 60 00 00", "CODEC_MALFORMED"],
  ["a tuple without its end", "60 10", "CODEC_TRUNCATED"],
  ["bytes after the key", "10 10", "CODEC_MALFORMED"],
  ["NaN", "30 ff f8 00 00 00 00 00 00", "CODEC_MALFORMED"],
  ["negative NaN", "30 00 00 00 00 00 00 00 00", "CODEC_MALFORMED"],
  ["-0", "30 7f ff ff ff ff ff ff ff", "CODEC_MALFORMED"],
  ["a number cut short", "30 80 00", "CODEC_TRUNCATED"],
  ["an unknown escape", "40 01 03 00", "CODEC_MALFORMED"],
  ["an escape of nothing", "50 01 00", "CODEC_MALFORMED"],
  ["an escape cut short", "50 01", "CODEC_TRUNCATED"],
  ["a text without its end", "40 61", "CODEC_TRUNCATED"],
  ["a text that is not UTF-8", "40 c0 af 00", "CODEC_INVALID_UTF8"],
  ["an escaped text that is not UTF-8", "40 01 01 ff 00", "CODEC_INVALID_UTF8"],
])("%s is refused", (_what, hex, code) => {
  expect(errorOf(() => decodeKey(fromHex(hex)))).toBe(code);
});

test("a tuple of 100,000 levels is refused at the second", () => {
  expect(errorOf(() => decodeKey(new Uint8Array(100_000).fill(0x60)))).toBe("CODEC_MALFORMED");
});

test("bytes of a decoded key are a copy, also of a Buffer", () => {
  const input = Buffer.from(encodeKey([Uint8Array.of(5, 6), -1]));
  const before = toHex(input);
  const decoded = decodeKey(input) as [Uint8Array, number];
  decoded[0].fill(9);

  expect(toHex(input)).toBe(before);
  expect(Object.getPrototypeOf(decoded[0])).toBe(Uint8Array.prototype);
});
