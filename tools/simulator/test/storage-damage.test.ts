import { expect, test } from "vitest";
import { exploreDamage } from "../src/scenarios/storage/damage-explorer.ts";
import {
  everyByteFlipped,
  everyLargerDamage,
  makeDamageSubject,
} from "../src/scenarios/storage/damage-subject.ts";

const TIMEOUT_MS = 600_000;

test(
  "REL-W4: a flipped bit, in any byte of a small store, never makes it answer wrongly",
  { timeout: TIMEOUT_MS },
  async () => {
    const subject = await makeDamageSubject();
    const { storage, model, store } = subject;

    const report = await exploreDamage(storage, model, everyByteFlipped(subject), { store });

    console.log(`bit flips: ${JSON.stringify(report)}`);
    expect(report.violations).toEqual([]);
    expect(report.refused).toBeGreaterThan(1000);
    expect(report.reported).toBeGreaterThan(1000);
    expect(report.harmless).toBeGreaterThan(1000);
  },
);

test("REL-W3, W4: nor do lost sectors, misplaced pages, cut and missing files", async () => {
  const subject = await makeDamageSubject();
  const { storage, model, store } = subject;

  const report = await exploreDamage(storage, model, everyLargerDamage(subject), { store });

  console.log(`larger damage: ${JSON.stringify(report)}`);
  expect(report.violations).toEqual([]);
  expect(report.damages).toBeGreaterThan(400);
});
