import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../src/concat-bytes.ts";
import { bytes } from "./arbitrary.ts";

test("parts stand one behind the other, as Buffer.concat has them", () => {
  fc.assert(
    fc.property(fc.array(bytes), (parts) => {
      expect(Buffer.compare(concatBytes(parts), Buffer.concat(parts))).toBe(0);
    }),
  );
});

test("a single part is not copied, several are", () => {
  const part = Uint8Array.of(1, 2);
  const empty = new Uint8Array();

  const whole = concatBytes([part, empty]);
  part[0] = 7;

  expect(concatBytes([part])).toBe(part);
  expect([...whole]).toEqual([1, 2]);
});
