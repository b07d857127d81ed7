import * as fc from "fast-check";
import { expect, test } from "vitest";
import { crc32, crc32Range } from "../src/crc32.ts";

test("the checksum of the standard's check text is CBF43926", () => {
  const check = Uint8Array.from("123456789", (digit) => digit.charCodeAt(0));

  expect(crc32(check)).toBe(0xcbf4_3926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("a checksum can be carried on from the bytes before", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
      expect(crc32(second, crc32(first))).toBe(crc32(Uint8Array.from([...first, ...second])));
    }),
  );
});

test("one flipped bit changes the checksum", () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, at) => at * 7);
  const before = crc32(bytes);

  for (let bit = 0; bit < bytes.length * 8; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    expect(crc32(bytes)).not.toBe(before);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
});

test("the checksum of a range is that of its bytes, however it is computed", () => {
  const bytes = fc.uint8Array({ maxLength: 600 });
  fc.assert(
    fc.property(bytes, fc.nat(600), fc.nat(600), fc.nat(0xffff_ffff), (all, one, other, seed) => {
      const [from, to] = [one, other]
        .map((at) => Math.min(at, all.length))
        .toSorted((a, b) => a - b);
      expect(crc32Range(all, from!, to!, seed)).toBe(crc32(all.subarray(from, to), seed));
    }),
  );
});
