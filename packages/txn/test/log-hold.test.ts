import { expect, test } from "vitest";
import { LogHolds } from "../src/log-hold.ts";

test("the lowest position that somebody holds counts, until it is let go", () => {
  const holds = new LogHolds();
  expect([holds.lowest, holds.isHeld]).toEqual([Infinity, false]);
  const [high, low, same] = [holds.hold(9), holds.hold(4), holds.hold(4)];
  expect([holds.lowest, holds.isHeld]).toEqual([4, true]);
  low();
  low();
  expect(holds.lowest).toBe(4);
  same();
  expect(holds.lowest).toBe(9);
  high();
  expect([holds.lowest, holds.isHeld]).toEqual([Infinity, false]);
});
