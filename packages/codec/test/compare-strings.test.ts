import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareStrings } from "../src/compare-strings.ts";
import { encodeUtf8 } from "../src/utf8.ts";
import { sign, text } from "./arbitrary.ts";

test("texts compare as their UTF-8 bytes do", () => {
  fc.assert(
    fc.property(text, text, (left, right) => {
      const order = sign(compareStrings(left, right));

      expect(order).toBe(Buffer.compare(encodeUtf8(left), encodeUtf8(right)));
    }),
  );
  expect(compareStrings("\uffff", "\u{10000}")).toBeLessThan(0);
  expect(["\u{10000}", "\uffff"].toSorted()[0]).toBe("\u{10000}"); // JavaScript's own order
});

test("texts with lone surrogates are ordered too", () => {
  expect(compareStrings("\ud800", "\udc00")).toBeLessThan(0);
  expect(compareStrings("\ud800", "\ud800")).toBe(0);
  expect(compareStrings("\ud800", "\ue000")).toBeGreaterThan(0);
});
