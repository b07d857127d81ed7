import { deepStrictEqual } from "node:assert/strict"; // not misled by a member named constructor
import { expect, test } from "vitest";
import { decodeDocument } from "../src/document-decode.ts";
import { encodeDocument } from "../src/document-encode.ts";
import { type DocumentValue } from "../src/document-value.ts";
import { readName } from "../src/member-name.ts";
import { encodeUtf8 } from "../src/utf8.ts";
import { errorOf, fromHex } from "./hostile.ts";

test.each([
  ["cc 05", 5],
  ["cd 00 05", 5],
  ["ce 00 00 00 05", 5],
  ["cf 00 00 00 00 00 00 00 05", 5],
  ["cf 00 1f ff ff ff ff ff ff", 2 ** 53 - 1],
  ["cf 00 20 00 00 00 00 00 00", 2n ** 53n],
  ["cf ff ff ff ff ff ff ff ff", 2n ** 64n - 1n],
  ["d0 80", -128],
  ["d0 05", 5],
  ["d1 80 00", -32_768],
  ["d2 80 00 00 00", -(2 ** 31)],
  ["d3 ff ff ff ff ff ff ff fb", -5],
  ["d3 ff e0 00 00 00 00 00 01", -(2 ** 53 - 1)],
  ["d3 ff e0 00 00 00 00 00 00", -(2n ** 53n)],
  ["d3 7f ff ff ff ff ff ff ff", 2n ** 63n - 1n],
  ["d3 80 00 00 00 00 00 00 00", -(2n ** 63n)],
  ["ca 3f c0 00 00", 1.5],
  ["ca ff 80 00 00", -Infinity],
  ["cb 7f f8 00 00 00 00 00 01", NaN],
  ["d9 01 61", "a"],
  ["da 00 01 61", "a"],
  ["db 00 00 00 01 61", "a"],
  ["de 00 01 a1 61 c0", { a: null }],
  ["dc 00 01 c3", [true]],
  ["c5 00 01 07", Uint8Array.of(7)],
  ["d6 ff 00 00 00 01", new Date(1000)],
  ["d7 ff 00 3d 09 03 ff ff ff ff", new Date((2 ** 34 - 1) * 1000 + 1)],
  ["c7 0c ff 00 00 00 00 00 00 00 00 00 00 00 01", new Date(1000)],
] as const)("%s, in whatever length another encoder chose, is %s", (hex, value) => {
  expect(decodeDocument(fromHex(hex))).toStrictEqual(value);
});

test("__proto__, constructor and prototype are members like any other", () => {
  const hostile = JSON.parse(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":[1]}',
  ) as DocumentValue;
  const decoded = decodeDocument(encodeDocument([hostile, { a: hostile }])) as DocumentValue[];

  deepStrictEqual(decoded, [hostile, { a: hostile }]);
  expect(Object.keys(decoded[0] as object)).toEqual(["__proto__", "constructor", "prototype"]);
  expect(Object.getPrototypeOf(decoded[0])).toBe(Object.prototype);
  expect(Object.getOwnPropertyDescriptor(decoded[0], "__proto__")).toMatchObject({
    value: { polluted: 1 },
    writable: true,
    enumerable: true,
    configurable: true,
  });
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(([] as { polluted?: unknown }).polluted).toBeUndefined();
});

test("__proto__ with a null value does not take the prototype away", () => {
  const decoded = decodeDocument(fromHex("82 a9 5f5f70726f746f5f5f c0 a1 61 01"));

  expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  expect(decoded).toHaveProperty("a", 1);
});

test("decoded bytes are a copy of type Uint8Array, also of a Buffer", () => {
  const input = Buffer.from(encodeDocument(Uint8Array.of(1, 2, 3)));
  const decoded = decodeDocument(input);
  input.fill(0);

  expect(decoded).toStrictEqual(Uint8Array.of(1, 2, 3));
});

test("a document is decoded from the middle of other bytes", () => {
  const encoded = encodeDocument({ a: [1.5, "b"], c: 2n ** 60n });
  const around = new Uint8Array(encoded.length + 10).fill(0xff);
  around.set(encoded, 5);

  expect(decodeDocument(around.subarray(5, 5 + encoded.length))).toEqual({
    a: [1.5, "b"],
    c: 2n ** 60n,
  });
});

test("a failed decoding leaves nothing behind for the next", () => {
  const good = encodeDocument({ a: { b: [1, 2] } });

  for (const bad of ["82 a1 61 01 a1 61", "81 a1 61 93 01 02", "c1", "91".repeat(200)]) {
    expect(errorOf(() => decodeDocument(fromHex(bad)))).toBeDefined();
    expect(decodeDocument(good)).toEqual({ a: { b: [1, 2] } });
  }
});

test.each([
  ["empty objects", "80"],
  ["empty arrays", "90"],
  ["empty bytes", "c4 00"],
  ["objects of one member", "81 a0 c0"],
])("an array of %s takes no more than the stated multiple of its size", (_what, hex) => {
  const element = fromHex(hex);
  const count = 1 << 18;
  const bytes = new Uint8Array(5 + count * element.length);
  bytes.set([0xdd, 0x00, 0x04, 0x00, 0x00]);
  for (let at = 5; at < bytes.length; at += element.length) bytes.set(element, at);
  const before = process.memoryUsage().heapUsed;
  const decoded = decodeDocument(bytes) as readonly DocumentValue[];
  const used = process.memoryUsage().heapUsed - before;

  expect(decoded).toHaveLength(count);
  expect(used).toBeLessThan(128 * bytes.length);
});

test("names that share a slot of the cache are told apart", () => {
  const names = Array.from({ length: 20_000 }, (_, at) => `name${at}`);

  for (let round = 0; round < 2; round++) {
    for (const name of names) {
      const bytes = encodeUtf8(name);
      if (readName(bytes, 0, bytes.length) !== name) expect.fail(`${name} came back as another`);
    }
  }
});

test("names that are empty, long, or not ASCII come back", () => {
  for (const name of ["", "ü", "€uro", "x".repeat(32), "x".repeat(33), "\uFEFFa", "\0"]) {
    const bytes = encodeUtf8(name);
    expect(readName(bytes, 0, bytes.length)).toBe(name);
    expect(readName(bytes, 0, bytes.length)).toBe(name);
  }
});
