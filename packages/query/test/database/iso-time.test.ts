import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { isoTime } from "../../src/database/iso-time.ts";

const DAY_MS = 86_400_000;

test("every day of 180 years is written as the platform writes it", () => {
  const random = createRandom(1);
  for (let day = 0; day < 66_000; day++) {
    const ms = day * DAY_MS + random.below(DAY_MS);
    expect(isoTime(ms)).toBe(new Date(ms).toISOString());
  }
});

test("the ends of days, years and of what can be written are right", () => {
  const days = [0, 58, 59, 365, 789, 11_016, 11_017, 47_540, 2_932_896];
  for (const day of days) {
    for (const ms of [day * DAY_MS, day * DAY_MS + 1, day * DAY_MS + DAY_MS - 1]) {
      expect(isoTime(ms)).toBe(new Date(ms).toISOString());
    }
  }
});
