import { type DocumentValue, type Key, type KeyPart } from "../src/index.ts";
import * as fc from "fast-check";

/** Texts with what is awkward: control characters, both ends of each UTF-8 length, a leading BOM. */
export const text: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom("\0", "\u0001", "\u0002", "\u007f", "\u0080", "\u07ff", "\u0800", "\uffff"),
      fc.constantFrom("\uFEFF", "\u{10000}", "\u{10ffff}", "\ud7ff", "\ue000", "x".repeat(70)),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.join(""));

export const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.array(fc.constantFrom(0, 1, 2, 0xff), { maxLength: 6 }).map((list) => Uint8Array.from(list)),
);

export const keyNumber: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity, Number.MIN_VALUE, -Number.MIN_VALUE),
);

export const keyPart: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.constantFrom(null, false, true),
  keyNumber,
  text,
  bytes,
);

export const key: fc.Arbitrary<Key> = fc.oneof(keyPart, fc.array(keyPart, { maxLength: 4 }));

const memberName = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "__proto__",
    "constructor",
    "prototype",
    "toJSON",
    "hasOwnProperty",
    "",
  ),
  text,
);

const unsafeBigint = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.constantFrom(
      2n ** 53n,
      -(2n ** 53n),
      2n ** 63n - 1n,
      -(2n ** 63n),
      2n ** 63n,
      2n ** 64n - 1n,
    ),
  )
  .filter((value) => !Number.isSafeInteger(Number(value)));

const date = fc
  .oneof(
    fc.integer({ min: -8.64e15, max: 8.64e15 }),
    fc.constantFrom(0, -1, 999, 1000, 2 ** 32 * 1000, 2 ** 34 * 1000 - 1, 2 ** 34 * 1000, 8.64e15),
  )
  .map((ms) => new Date(ms));

const { document } = fc.letrec<{ document: DocumentValue }>((tie) => ({
  document: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(null, false, true, NaN),
    keyNumber,
    unsafeBigint,
    text,
    bytes,
    date,
    fc.array(tie("document"), { maxLength: 20 }),
    fc
      .uniqueArray(fc.tuple(memberName, tie("document")), {
        maxLength: 20,
        selector: ([name]) => name,
      })
      .map(objectOf),
  ),
}));
export { document };

/** `Object.fromEntries` defines members, so `__proto__` is one like any other. */
function objectOf(members: readonly (readonly [string, DocumentValue])[]): DocumentValue {
  return Object.fromEntries(members);
}

/** The sign of a comparison. */
export function sign(order: number): -1 | 0 | 1 {
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}
