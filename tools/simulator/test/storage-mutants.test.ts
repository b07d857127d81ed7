import { expect, test } from "vitest";
import {
  type CrashReport,
  type CrashSubject,
  exploreCrashes,
} from "../src/scenarios/storage/crash-explorer.ts";
import { exploreDamage } from "../src/scenarios/storage/damage-explorer.ts";
import { everyByteFlipped, makeDamageSubject } from "../src/scenarios/storage/damage-subject.ts";
import { LONG_SCRIPT } from "../src/scenarios/storage/long-script.ts";
import { SHORT_SCRIPT } from "../src/scenarios/storage/short-script.ts";

/**
 * Each built-in sabotage is caught by the tests of crashes and damage; without it the same look finds
 * nothing. (Those that need a look of their own are in storage-oracles and storage-special.)
 */
function crash(subject: CrashSubject, share: number, mutants: string[]): Promise<CrashReport> {
  return exploreCrashes(subject, {
    mutants,
    images: function* (storage, random) {
      if (!random.chance(share)) return;
      yield storage.worstCase();
      yield storage.sampleCrashImage(random, "keep-all");
      for (let drawn = 0; drawn < 4; drawn++) yield storage.sampleCrashImage(random);
    },
  });
}

test("without sabotage nothing is found", { timeout: 300_000 }, async () => {
  expect((await crash(LONG_SCRIPT, 0.1, [])).violations).toEqual([]);
  expect((await crash(SHORT_SCRIPT, 0.3, [])).violations).toEqual([]);
});

const CAUGHT_BY_CRASHES: readonly { mutant: string; sign: RegExp }[] = [
  { mutant: "txn.skip-page-images", sign: /PAGER_CORRUPT_PAGE|BTREE_DAMAGED/ },
  { mutant: "txn.commit-before-mini", sign: /holds no prefix of the batches/ },
  { mutant: "txn.skip-undo", sign: /changed other rows than its own|holds no prefix/ },
  { mutant: "txn.free-before-commit", sign: /holds no prefix|a snapshot changed/ },
  { mutant: "pager.skip-wal-rule", sign: /own check|holds no prefix|other rows|DAMAGED|log-end/ },
  { mutant: "wal.skip-datasync", sign: /WAL_DAMAGED|holds no prefix/ },
];

for (const { mutant, sign } of CAUGHT_BY_CRASHES) {
  test(`crashes show the sabotage ${mutant}`, { timeout: 300_000 }, async () => {
    const { violations } = await crash(LONG_SCRIPT, 0.1, [mutant]);

    expect(violations.join("\n")).toMatch(sign);
  });
}

test("a flipped bit shows the sabotage pager.ignore-checksum", async () => {
  const subject = await makeDamageSubject();
  const { storage, model, store } = subject;
  const mutants = ["pager.ignore-checksum"];

  const flips = [...everyByteFlipped(subject)].filter(({ name }) => name.includes("pages.kvs"));

  const report = await exploreDamage(storage, model, flips, { store, mutants });

  expect(report.violations.length).toBeGreaterThan(0);
});
