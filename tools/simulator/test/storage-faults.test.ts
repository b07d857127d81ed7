import { expect, test } from "vitest";
import {
  type FaultName,
  type FaultReport,
  exploreFaults,
} from "../src/scenarios/storage/fault-explorer.ts";
import { LONG_SCRIPT } from "../src/scenarios/storage/long-script.ts";
import { SHORT_SCRIPT } from "../src/scenarios/storage/short-script.ts";

const TIMEOUT_MS = 600_000;
const FAULTS: readonly FaultName[] = ["error", "full", "short"];

function print(name: string, report: FaultReport): void {
  console.log(`${name}: ${JSON.stringify(report)}`);
}

test(
  "REL-W9, W10, W11: any disk call may fail once; what the store says stays right",
  { timeout: TIMEOUT_MS },
  async () => {
    const report = await exploreFaults(SHORT_SCRIPT, { faults: FAULTS, isLasting: false });

    print("each call fails once", report);
    expect(report.violations).toEqual([]);
    expect(report.runs).toBeGreaterThan(400);
    expect(report.failedRuns).toBeGreaterThan(200);
  },
);

test(
  "REL-W9, W10, W11: any disk call may be the last good one",
  { timeout: TIMEOUT_MS },
  async () => {
    const report = await exploreFaults(SHORT_SCRIPT, { faults: FAULTS, isLasting: true });

    print("all calls fail from one on", report);
    expect(report.violations).toEqual([]);
    expect(report.runs).toBeGreaterThan(400);
    expect(report.failedRuns).toBeGreaterThan(200);
  },
);

test(
  "the same amid splits, merges, long values and checkpoints, for some of the calls",
  { timeout: TIMEOUT_MS },
  async () => {
    for (const isLasting of [false, true]) {
      const report = await exploreFaults(LONG_SCRIPT, { faults: FAULTS, isLasting, stride: 89 });

      print(`every 89th call fails ${isLasting ? "for good" : "once"}`, report);
      expect(report.violations).toEqual([]);
      expect(report.failedRuns).toBeGreaterThan(15);
    }
  },
);
