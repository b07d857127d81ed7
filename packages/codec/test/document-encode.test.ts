import { AssertionFailure } from "@kvs/env";
import { deepStrictEqual } from "node:assert/strict"; // not misled by a member named constructor
import * as fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { ByteWriter } from "../src/byte-writer.ts";
import { decodeDocument } from "../src/document-decode.ts";
import { encodeDocument, encodeDocumentInto } from "../src/document-encode.ts";
import { type DocumentValue } from "../src/document-value.ts";
import { document } from "./arbitrary.ts";
import { errorOf, toHex } from "./hostile.ts";

const RUNS = { numRuns: 1000 };

/** Encodes what the types forbid. */
function encodeAny(value: unknown): Uint8Array {
  return encodeDocument(value as DocumentValue);
}

class Point {
  readonly x = 1;
}

function zeros(count: number): DocumentValue {
  return Array.from({ length: count }, () => 0);
}

function nested(depth: number): DocumentValue {
  let value: DocumentValue = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

test("a document comes back as it was put", () => {
  fc.assert(
    fc.property(document, (value) => {
      deepStrictEqual(decodeDocument(encodeDocument(value)), value);
    }),
    RUNS,
  );
});

test("a document has the same bytes whatever was encoded before it", () => {
  fc.assert(
    fc.property(document, document, (value, other) => {
      const before = toHex(encodeDocument(value));
      encodeDocument(other);

      expect(toHex(encodeDocument(value))).toBe(before);
      expect(toHex(encodeDocument(decodeDocument(encodeDocument(value))))).toBe(before);
    }),
  );
});

test("msgpackr reads what is written here", () => {
  const reader = new Unpackr({ useRecords: false, int64AsType: "bigint" });

  fc.assert(
    fc.property(document.filter(isReadByMsgpackr), (value) => {
      expect(reader.unpack(encodeDocument(value))).toEqual(value);
    }),
    RUNS,
  );
});

test("what is written here is what msgpackr writes, byte for byte, for JSON values", () => {
  const json = fc.jsonValue().filter((value) => isReadByMsgpackr(value));
  const writer = new Packr({ useRecords: false, variableMapSize: true });

  fc.assert(
    fc.property(json, (value) => {
      expect(toHex(encodeDocument(value))).toBe(toHex(writer.pack(value)));
    }),
    RUNS,
  );
});

/**
 * What msgpackr 2.1.3 would change: a member named `__proto__`, a byte order mark at the start of a
 * text, -0 (when writing).
 */
function isReadByMsgpackr(value: DocumentValue | undefined): boolean {
  if (typeof value === "string") return !value.startsWith("\uFEFF");
  if (Object.is(value, -0)) return false;
  if (Array.isArray(value)) return value.every(isReadByMsgpackr);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return true;
  return Object.entries(value).every(
    ([name, member]) =>
      name !== "__proto__" && !name.startsWith("\uFEFF") && isReadByMsgpackr(member),
  );
}

test.each([
  [null, "c0"],
  [false, "c2"],
  [true, "c3"],
  [0, "00"],
  [127, "7f"],
  [128, "cc 80"],
  [256, "cd 01 00"],
  [65_536, "ce 00 01 00 00"],
  [0xffff_ffff, "ce ff ff ff ff"],
  [2 ** 32, "cb 41 f0 00 00 00 00 00 00"],
  [-1, "ff"],
  [-32, "e0"],
  [-33, "d0 df"],
  [-129, "d1 ff 7f"],
  [-32_769, "d2 ff ff 7f ff"],
  [-(2 ** 31), "d2 80 00 00 00"],
  [-0, "cb 80 00 00 00 00 00 00 00"],
  [1.5, "cb 3f f8 00 00 00 00 00 00"],
  [NaN, "cb 7f f8 00 00 00 00 00 00"],
  [5n, "05"],
  [2n ** 53n, "d3 00 20 00 00 00 00 00 00"],
  [-(2n ** 63n), "d3 80 00 00 00 00 00 00 00"],
  [2n ** 64n - 1n, "cf ff ff ff ff ff ff ff ff"],
  ["", "a0"],
  ["ü", "a2 c3 bc"],
  ["€".repeat(11), `d9 21${" e2 82 ac".repeat(11)}`],
  [Uint8Array.of(1, 2), "c4 02 01 02"],
  [new Date(0), "d6 ff 00 00 00 00"],
  [new Date(1), "d7 ff 00 3d 09 00 00 00 00 00"],
  [new Date(-1), "c7 0c ff 3b 8b 87 c0 ff ff ff ff ff ff ff ff"],
  [[], "90"],
  [{}, "80"],
  [{ a: [1] }, "81 a1 61 91 01"],
] as const)("%s is written as %s", (value, hex) => {
  expect(toHex(encodeDocument(value))).toBe(hex);
});

test("lengths and counts grow their headers at 16, 32, 256 and 65,536", () => {
  const headers: [DocumentValue, string][] = [
    [zeros(15), "9f"],
    [zeros(16), "dc 00 10"],
    [zeros(65_536), "dd 00 01 00 00"],
    ["x".repeat(31), "bf"],
    ["x".repeat(32), "d9 20"],
    ["x".repeat(256), "da 01 00"],
    ["x".repeat(65_536), "db 00 01 00 00"],
    [new Uint8Array(256), "c5 01 00"],
    [new Uint8Array(65_536), "c6 00 01 00 00"],
  ];

  for (const [value, header] of headers) {
    const encoded = encodeDocument(value);
    expect(toHex(encoded.subarray(0, header.split(" ").length))).toBe(header);
    expect(decodeDocument(encoded)).toEqual(value);
  }
});

test("a member that is undefined is absent, and leaves no trace in the bytes", () => {
  const counts: [present: number, absent: number][] = [
    [0, 1],
    [15, 1],
    [16, 3],
    [15, 70_000],
    [16, 70_000],
  ];

  for (const [present, absent] of counts) {
    const members = Array.from({ length: present }, (_, at): [string, number] => [`m${at}`, at]);
    const holes = Array.from({ length: absent }, (_, at) => [`u${at}`, undefined] as const);
    const withHoles = Object.fromEntries([...holes, ...members]);

    expect(toHex(encodeDocument({ around: withHoles, after: 1 }))).toBe(
      toHex(encodeDocument({ around: Object.fromEntries(members), after: 1 })),
    );
  }
});

test.each([
  ["undefined", undefined, "document;"],
  ["a function", { a: [() => 1] }, 'document["a"][0];'],
  ["a symbol", { a: { b: Symbol.iterator } }, 'document["a"]["b"];'],
  ["undefined in an array", { a: 1, b: [1, undefined] }, 'document["b"][1];'],
  ["a hole in an array", Array.from({ length: 3 }).fill(1, 1), "document[0];"],
  ["an instance of a class", [new Point()], "document[0];"],
  ["a Map", new Map(), "document;"],
  ["a Set", new Set(), "document;"],
  ["a boxed number", Object(1), "document;"],
  ["bytes of another type", new Float64Array(1), "document;"],
  ["an object made from another object", Object.create({ a: 1 }), "document;"],
  ["an invalid date", { at: new Date(NaN) }, 'document["at"];'],
  ["an integer above 64 bits", 2n ** 64n, "document;"],
  ["an integer below 64 bits", -(2n ** 63n) - 1n, "document;"],
  ["a lone surrogate", ["\ud800"], "document[0];"],
  ["a lone surrogate in a long text", ["x".repeat(99) + "\ud800"], "document[0];"],
  ["a lone surrogate in a name", { "\ud800": 1 }, 'document["\\ud800"];'],
])("%s is refused, and the error says where it is", (_what, value, path) => {
  const act = (): Uint8Array => encodeAny(value);

  expect(errorOf(act)).toBe("CODEC_UNSUPPORTED");
  expect(act).toThrow(path);
});

test("objects without prototype, of another realm, and with awkward members are plain", () => {
  const foreign: unknown = runInNewContext("({ a: [1] })");
  const bare = Object.assign(Object.create(null) as object, { a: 1 });
  const awkward = { constructor: 1, toJSON: 2, hasOwnProperty: 3, valueOf: null };

  expect(decodeDocument(encodeAny(foreign))).toEqual({ a: [1] });
  expect(decodeDocument(encodeAny(bare))).toEqual({ a: 1 });
  expect(decodeDocument(encodeAny(awkward))).toEqual(awkward);
});

test("only own, enumerable members with text names are written", () => {
  const object = Object.defineProperty({ a: 1, [Symbol("s")]: 2 }, "hidden", { value: 3 });

  expect(decodeDocument(encodeAny(object))).toEqual({ a: 1 });
});

test("depth is limited: 100 levels by default, and a cycle is too deep", () => {
  const cycle: unknown[] = [];
  cycle.push({ cycle });

  expect(decodeDocument(encodeDocument(nested(100)))).toEqual(nested(100));
  expect(errorOf(() => encodeDocument(nested(101)))).toBe("CODEC_TOO_DEEP");
  expect(errorOf(() => encodeAny(cycle))).toBe("CODEC_TOO_DEEP");
  expect(errorOf(() => encodeDocument([], { depthMax: 0 }))).toBe("CODEC_TOO_DEEP");
  expect(toHex(encodeDocument(1, { depthMax: 0 }))).toBe("01");
  expect(() => encodeDocument(1, { depthMax: 1001 })).toThrow(AssertionFailure);
  expect(errorOf(() => encodeDocument(nested(100_000), { depthMax: 1000 }))).toBe("CODEC_TOO_DEEP");
});

test("size is limited to the byte, for every type", () => {
  const values: DocumentValue[] = [
    "x".repeat(100),
    "ü".repeat(20),
    new Uint8Array(50),
    zeros(20),
    { a: 1, b: 2.5 },
    2n ** 60n,
    new Date(-5),
    1.5,
  ];

  for (const value of values) {
    const { length } = encodeDocument(value);
    expect(encodeDocument(value, { maxBytes: length })).toHaveLength(length);
    expect(errorOf(() => encodeDocument(value, { maxBytes: length - 1 }))).toBe("CODEC_TOO_LARGE");
  }
  expect(errorOf(() => encodeDocument(new Uint8Array(16 << 20)))).toBe("CODEC_TOO_LARGE");
  expect(errorOf(() => encodeDocument("€".repeat(6 << 20)))).toBe("CODEC_TOO_LARGE");
});

test("an object that is shared a billion times ends at the limit on size", () => {
  let value: DocumentValue = ["lol"];
  for (let level = 0; level < 60; level++) value = [value, value];

  expect(errorOf(() => encodeDocument(value, { maxBytes: 10_000 }))).toBe("CODEC_TOO_LARGE");
});

test("documents are appended to a writer, and a refused one leaves it as it was", () => {
  const writer = new ByteWriter({ initialBytes: 1 });
  writer.u8(0xee);
  encodeDocumentInto({ a: 1 }, writer);
  expect(errorOf(() => encodeDocumentInto([1, 2, "\ud800"], writer))).toBe("CODEC_UNSUPPORTED");
  encodeDocumentInto([2], writer);

  expect(toHex(writer.view())).toBe("ee 81 a1 61 01 91 02");
});

test("the writer's own limit holds too", () => {
  const writer = new ByteWriter({ maxBytes: 10 });

  expect(errorOf(() => encodeDocumentInto("x".repeat(20), writer))).toBe("CODEC_TOO_LARGE");
  expect(writer.position).toBe(0);
});

test("the bytes of a document belong to the caller", () => {
  for (const value of ["small", "x".repeat(100)]) {
    const first = encodeDocument(value);
    const before = toHex(first);
    encodeDocument("y".repeat(100));

    expect(toHex(first)).toBe(before);
  }
});

test("a property that changes while it is read is written once, as it was read", () => {
  let reads = 0;
  const object = {
    get changing(): DocumentValue {
      reads++;
      return encodeDocument(reads); // encodes within an encoding
    },
    after: 1,
  };

  expect(decodeDocument(encodeDocument(object))).toEqual({ changing: Uint8Array.of(1), after: 1 });
  expect(reads).toBe(1);
});
