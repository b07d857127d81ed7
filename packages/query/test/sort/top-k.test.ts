import * as fc from "fast-check";
import { expect, test } from "vitest";
import { TopK } from "../../src/index.ts";

const ascending = (left: number, right: number): number => left - right;

test("it keeps the first items of any sequence", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.nat({ max: 20 }), (items, count) => {
      const top = new TopK(ascending, count);
      const refused: number[] = [];
      for (const item of items) {
        const evicted = top.push(item);
        if (evicted !== undefined) refused.push(evicted);
        expect(top.size).toBeLessThanOrEqual(count);
      }
      const expected = items.toSorted(ascending);
      expect(top.toSorted()).toEqual(expected.slice(0, count));
      expect(refused.toSorted(ascending)).toEqual(expected.slice(count));
    }),
    { numRuns: 500 },
  );
});

test("a count that is none is a bug of the caller", () => {
  expect(() => new TopK(ascending, -1)).toThrow("safe integer");
  expect(() => new TopK(ascending, 1.5)).toThrow("safe integer");
});
