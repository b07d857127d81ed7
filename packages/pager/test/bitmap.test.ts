import { expect, test } from "vitest";
import {
  BITMAP_BITS,
  PageView,
  bitOf,
  bitmapPageOf,
  hasBit,
  setBits,
  toPageId,
} from "../src/index.ts";

test("every page has one bit, on a bitmap page of its region", () => {
  expect(bitmapPageOf(toPageId(0))).toBe(2);
  expect(bitmapPageOf(toPageId(BITMAP_BITS - 1))).toBe(2);
  expect(bitmapPageOf(toPageId(BITMAP_BITS))).toBe(2 + BITMAP_BITS);
  expect(bitmapPageOf(toPageId(2 + BITMAP_BITS))).toBe(2 + BITMAP_BITS);
  expect(bitmapPageOf(toPageId(2 ** 32 - 1))).toBeLessThan(2 ** 32);
  expect(bitOf(toPageId(2 ** 32 - 1))).toBe((2 ** 32 - 1) % BITMAP_BITS);
});

test("setting and clearing a run leaves all other bits", () => {
  const page = PageView.of(new Uint8Array(4096));
  setBits(page, { first: 5, count: 20 }, true);
  setBits(page, { first: 8, count: 9 }, false);
  setBits(page, { first: BITMAP_BITS - 1, count: 1 }, true);

  const used = Array.from({ length: 40 }, (_, bit) => (hasBit(page, bit) ? 1 : 0)).join("");
  expect(used).toBe("0000011100000000011111111000000000000000");
  expect(hasBit(page, BITMAP_BITS - 1)).toBe(true);
  expect(page.u8[64]).toBe(0b1110_0000);
});

test("a run of bits does not leave its page", () => {
  const page = PageView.of(new Uint8Array(4096));
  expect(() => setBits(page, { first: BITMAP_BITS - 1, count: 2 }, true)).toThrow(
    "one bitmap page",
  );
});
