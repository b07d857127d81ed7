import * as fc from "fast-check";
import { expect, test } from "vitest";
import { compareBytes } from "../src/compare-bytes.ts";
import { bytes, sign } from "./arbitrary.ts";

test("bytes compare as Buffer.compare says", () => {
  fc.assert(
    fc.property(bytes, bytes, (left, right) => {
      expect(sign(compareBytes(left, right))).toBe(Buffer.compare(left, right));
    }),
  );
});
