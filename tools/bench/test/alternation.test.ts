import { expect, test } from "vitest";
import { PAIRS_FULL, alternate } from "../src/alternation.ts";

function letters(pairs: number): string {
  return alternate(pairs)
    .map(({ side }) => (side === "ours" ? "A" : "B"))
    .join("");
}

test("the order is A B, B A, A B, and so on", () => {
  expect(letters(1)).toBe("AB");
  expect(letters(2)).toBe("ABBA");
  expect(letters(5)).toBe("ABBAABBAAB");
});

test("each pair has one sample of either side", () => {
  for (const side of ["ours", "theirs"]) {
    const pairs = alternate(7).flatMap((turn) => (turn.side === side ? [turn.pair] : []));

    expect(pairs).toEqual([0, 1, 2, 3, 4, 5, 6]);
  }
});

test("a full comparison has at least five pairs", () => {
  expect(PAIRS_FULL).toBeGreaterThanOrEqual(5);
});
