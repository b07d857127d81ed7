import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../src/compare-bytes.ts";
import { type Key, type KeyPart, compareKeys } from "../src/key.ts";
import { keyPrefixRange } from "../src/key-prefix.ts";
import { encodeKey } from "../src/ordered-key.ts";
import { bytes, key, keyPart, text } from "./arbitrary.ts";
import { errorOf, toHex } from "./hostile.ts";

function isInRange(prefix: Key, candidate: Key): boolean {
  const range = keyPrefixRange(prefix);
  const encoded = encodeKey(candidate);
  return compareBytes(range.from, encoded) <= 0 && compareBytes(encoded, range.to) < 0;
}

function beginsWith(candidate: Key, prefix: Key): boolean {
  if (typeof prefix === "string")
    return typeof candidate === "string" && candidate.startsWith(prefix);
  if (prefix instanceof Uint8Array) {
    if (!(candidate instanceof Uint8Array)) return false;
    return compareBytes(candidate.subarray(0, prefix.length), prefix) === 0;
  }
  if (!Array.isArray(prefix)) return compareKeys(candidate, prefix) === 0;
  const parts = prefix as readonly KeyPart[];
  if (!Array.isArray(candidate)) return false;
  return compareKeys((candidate as readonly KeyPart[]).slice(0, parts.length), parts) === 0;
}

const RUNS = { numRuns: 1000 };

test("the range holds exactly the keys that begin with the prefix", () => {
  fc.assert(
    fc.property(key, key, (prefix, candidate) => {
      expect(isInRange(prefix, candidate)).toBe(beginsWith(candidate, prefix));
    }),
    RUNS,
  );
});

test("a longer text, longer bytes and a longer tuple lie in the range of their beginning", () => {
  fc.assert(
    fc.property(text, text, (prefix, rest) => {
      expect(isInRange(prefix, prefix + rest)).toBe(true);
      expect(isInRange(prefix, [prefix + rest])).toBe(false);
    }),
    RUNS,
  );
  fc.assert(
    fc.property(bytes, bytes, (prefix, rest) => {
      expect(isInRange(prefix, Uint8Array.from([...prefix, ...rest]))).toBe(true);
    }),
    RUNS,
  );
  fc.assert(
    fc.property(
      fc.array(keyPart, { maxLength: 3 }),
      fc.array(keyPart, { maxLength: 3 }),
      (a, b) => {
        expect(isInRange(a, [...a, ...b])).toBe(true);
      },
    ),
    RUNS,
  );
});

test("a prefix that ends in FF carries into the byte before", () => {
  const range = keyPrefixRange(Uint8Array.of(7, 255, 255));

  expect(toHex(range.from)).toBe("50 07 ff ff");
  expect(toHex(range.to)).toBe("50 08");
});

test("a prefix that is no key, or longer than a key may be, is refused", () => {
  expect(errorOf(() => keyPrefixRange("\ud800"))).toBe("CODEC_UNSUPPORTED");
  expect(errorOf(() => keyPrefixRange(NaN))).toBe("CODEC_UNSUPPORTED");
  expect(errorOf(() => keyPrefixRange("x".repeat(1024)))).toBe("CODEC_KEY_TOO_LARGE");
  expect(keyPrefixRange("x".repeat(1023)).from).toHaveLength(1024);
});
