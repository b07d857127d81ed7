import { AssertionFailure } from "@kvs/env";
import { deepStrictEqual } from "node:assert/strict"; // not misled by a member named constructor
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeDocument } from "../src/document-decode.ts";
import { encodeDocument } from "../src/document-encode.ts";
import { checkDocument } from "../src/document-scan.ts";
import { type DocumentValue } from "../src/document-value.ts";
import { document } from "./arbitrary.ts";
import { errorOf, feedDamaged, feedGarbage, fromHex, toHex } from "./hostile.ts";

const SAMPLE: DocumentValue = {
  _id: "018f3c5e7a907b3d",
  name: "Grüße",
  ages: [1, 200, 70_000, -5, -300, 1.5, null, true],
  big: 2n ** 60n,
  at: new Date(1_700_000_000_123),
  raw: Uint8Array.of(1, 2, 3),
  long: "x".repeat(300),
  nested: { a: { b: [{}] } },
};

test("what was encoded passes", () => {
  fc.assert(
    fc.property(document, (value) => {
      expect(errorOf(() => checkDocument(encodeDocument(value)))).toBeUndefined();
    }),
  );
});

test("every prefix of a document is refused, and each damaged form gives an error or a document", () => {
  feedDamaged({ valid: encodeDocument(SAMPLE), decode: decodeDocument });
});

test("every prefix is truncated: the one error that more input may cure", () => {
  const encoded = encodeDocument(SAMPLE);

  for (let length = 0; length < encoded.length; length++) {
    expect(errorOf(() => checkDocument(encoded.slice(0, length)))).toBe("CODEC_TRUNCATED");
  }
});

test("garbage gives a typed error, or a document that can be encoded again", () => {
  const decode = (bytes: Uint8Array): void => {
    const value = decodeDocument(bytes);
    deepStrictEqual(decodeDocument(encodeDocument(value)), value);
  };

  feedGarbage(decode, 20_000);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => void errorOf(() => decode(bytes))),
  );
});

test.each([
  ["no bytes", "", "CODEC_TRUNCATED"],
  ["the byte that is never used", "c1", "CODEC_MALFORMED"],
  ["an unknown extension", "d6 01 00 00 00 00", "CODEC_MALFORMED"],
  ["an extension of one byte", "d4 ff 00", "CODEC_MALFORMED"],
  ["an extension of 16 bits of length", "c8 00 01 ff 00", "CODEC_MALFORMED"],
  ["a timestamp of 11 bytes", `c7 0b ff${" 00".repeat(12)}`, "CODEC_MALFORMED"],
  ["a timestamp of 1 ns", "d7 ff 00 00 00 04 00 00 00 00", "CODEC_MALFORMED"],
  ["a timestamp of a whole second of ns", "d7 ff ee 6b 28 00 00 00 00 00", "CODEC_MALFORMED"],
  ["a date no Date can hold", "c7 0c ff 00 00 00 00 00 00 07 db aa aa aa aa", "CODEC_OUT_OF_RANGE"],
  ["a name that is a number", "81 01 02", "CODEC_MALFORMED"],
  ["a name that is null", "81 c0 02", "CODEC_MALFORMED"],
  ["a name that is not there", "81", "CODEC_TRUNCATED"],
  ["bytes after the document", "01 01", "CODEC_MALFORMED"],
  ["an array longer than the input, whatever follows", "dd ff ff ff ff c1", "CODEC_TRUNCATED"],
  ["an object of more than half the bytes left", "82 01 01 01", "CODEC_TRUNCATED"],
  ["a text that is not UTF-8", "a2 c0 af", "CODEC_INVALID_UTF8"],
  ["a surrogate in UTF-8", "a3 ed a0 80", "CODEC_INVALID_UTF8"],
  ["a name that is not UTF-8", "81 a1 ff 00", "CODEC_INVALID_UTF8"],
  ["a name twice", "82 a1 61 01 a1 61 02", "CODEC_DUPLICATE_NAME"],
  ["a name twice, in two forms", "82 a1 61 01 d9 01 61 02", "CODEC_DUPLICATE_NAME"],
  ["the empty name twice", "82 a0 01 a0 02", "CODEC_DUPLICATE_NAME"],
])("%s is refused", (_what, hex, code) => {
  expect(errorOf(() => decodeDocument(fromHex(hex)))).toBe(code);
});

test("one name in two objects, around and beside each other, is no duplicate", () => {
  const value = { a: { a: [{ a: 1 }, { a: 2 }] }, b: { a: 3 } };

  expect(decodeDocument(encodeDocument(value))).toEqual(value);
});

/** An object of `count` members; `name(i)` is the name of the i-th. */
function objectBytes(count: number, name: (member: number) => string): Uint8Array {
  const parts = [0xdf, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255];
  for (let member = 0; member < count; member++) {
    parts.push(...encodeDocument(name(member)), 0);
  }
  return Uint8Array.from(parts);
}

test("a name twice is found among few members and among many, wherever it stands", () => {
  for (const count of [2, 15, 16, 17, 18, 100, 1000]) {
    for (const first of [0, 1, count - 2]) {
      for (const second of [first + 1, count - 1]) {
        const name = (member: number): string => `n${member === second ? first : member}`;
        if (second >= count || second <= first) continue;
        expect(errorOf(() => checkDocument(objectBytes(count, name)))).toBe("CODEC_DUPLICATE_NAME");
      }
    }
    expect(
      errorOf(() => checkDocument(objectBytes(count, (member) => `n${member}`))),
    ).toBeUndefined();
  }
});

/** Two different texts of four bytes with one FNV-1a hash, as the scan computes it. */
function collidingNames(): [string, string] {
  const seen = new Map<number, string>();
  for (let number = 0; number < 1_000_000; number++) {
    const name = number.toString(36).padStart(4, "0");
    let hash = name.length;
    for (let at = 0; at < name.length; at++) {
      hash = Math.imul(hash ^ name.charCodeAt(at), 0x0100_0193);
    }
    const other = seen.get(hash);
    if (other !== undefined) return [other, name];
    seen.set(hash, name);
  }
  throw new Error("no two names collide");
}

test("names whose hashes are equal are told apart by their texts", () => {
  const [one, other] = collidingNames();
  const name = (member: number): string => (member < 2 ? [one, other][member]! : `m${member}`);

  for (const count of [2, 30]) {
    expect(errorOf(() => checkDocument(objectBytes(count, name)))).toBeUndefined();
    expect(decodeDocument(objectBytes(count, name))).toHaveProperty(one, 0);
  }
});

test("a false length of 2^32 - 1 is refused before anything is allocated for it", () => {
  const headers = ["c6", "db", "dd", "df", "c9"];

  for (const header of headers) {
    const bytes = fromHex(`${header} ff ff ff ff 00 00`);
    expect(errorOf(() => decodeDocument(bytes))).toMatch(/^CODEC_(TRUNCATED|MALFORMED)$/);
  }
  expect(errorOf(() => decodeDocument(fromHex("dc ff ff 01")))).toBe("CODEC_TRUNCATED");
});

test("100,000 levels are refused without recursion, whatever the limit", () => {
  for (const opening of ["91", "81 a1 61", "dd 00 00 00 01"]) {
    const bytes = fromHex(opening.repeat(100_000) + "00");
    expect(errorOf(() => decodeDocument(bytes))).toBe("CODEC_TOO_DEEP");
    expect(errorOf(() => decodeDocument(bytes, { depthMax: 1000 }))).toBe("CODEC_TOO_DEEP");
  }
});

test("depth counts arrays and objects, and the limit itself is allowed", () => {
  const deep = (levels: number): Uint8Array => fromHex("91".repeat(levels) + "c0");

  expect(errorOf(() => decodeDocument(deep(100)))).toBeUndefined();
  expect(errorOf(() => decodeDocument(deep(101)))).toBe("CODEC_TOO_DEEP");
  expect(errorOf(() => decodeDocument(deep(1000), { depthMax: 1000 }))).toBeUndefined();
  expect(errorOf(() => decodeDocument(deep(1), { depthMax: 0 }))).toBe("CODEC_TOO_DEEP");
  expect(errorOf(() => decodeDocument(deep(0), { depthMax: 0 }))).toBeUndefined();
  expect(() => checkDocument(deep(1), { depthMax: 1001 })).toThrow(AssertionFailure);
});

test("bytes beyond the limit on size are refused unread", () => {
  const bytes = encodeDocument("x".repeat(50));

  expect(errorOf(() => checkDocument(bytes, { maxBytes: bytes.length }))).toBeUndefined();
  expect(errorOf(() => checkDocument(bytes, { maxBytes: bytes.length - 1 }))).toBe(
    "CODEC_TOO_LARGE",
  );
  expect(errorOf(() => checkDocument(new Uint8Array((16 << 20) + 1)))).toBe("CODEC_TOO_LARGE");
});

test("the check leaves the bytes as they were", () => {
  const bytes = encodeDocument(SAMPLE);
  const before = toHex(bytes);
  checkDocument(bytes);

  expect(toHex(bytes)).toBe(before);
  expect(Object.keys(bytes)).toHaveLength(bytes.length);
});
