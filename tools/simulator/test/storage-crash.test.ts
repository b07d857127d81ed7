import { expect, test } from "vitest";
import { exploreCrashes } from "../src/scenarios/storage/crash-explorer.ts";
import { LONG_SCRIPT } from "../src/scenarios/storage/long-script.ts";
import { SHORT_SCRIPT } from "../src/scenarios/storage/short-script.ts";
import { summaryOf } from "./storage-report.ts";

const TIMEOUT_MS = 600_000;

test(
  "REL-W1, W17: a crash at any disk call of fifty operations loses nothing that was answered",
  { timeout: TIMEOUT_MS },
  async () => {
    const report = await exploreCrashes(SHORT_SCRIPT, {
      images: function* (storage, random) {
        yield* storage.crashImages({ lastSectors: 8 });
        for (let drawn = 0; drawn < 8; drawn++) yield storage.sampleCrashImage(random);
      },
      crashesRecovery: (random) => random.chance(0.02),
    });

    console.log(summaryOf("short script", report));
    expect(report.violations).toEqual([]);
    expect(report.operations).toBe(50);
    expect(report.images).toBeGreaterThan(10_000);
    expect(report.recoveryCrashes).toBeGreaterThan(5000);
  },
);

test(
  "REL-P1, W15, W18: nor does one amid splits, merges, long values, undo and checkpoints",
  { timeout: TIMEOUT_MS },
  async () => {
    const report = await exploreCrashes(LONG_SCRIPT, {
      images: function* (storage, random) {
        yield storage.worstCase();
        yield storage.sampleCrashImage(random);
      },
      crashesRecovery: (random) => random.chance(0.005),
    });

    console.log(summaryOf("long script", report));
    expect(report.violations).toEqual([]);
    expect(report.operations).toBe(50);
    expect(report.recoveries).toBeGreaterThan(2000);
    expect(report.recoveryCrashes).toBeGreaterThan(1000);
  },
);
