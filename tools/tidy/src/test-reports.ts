import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type StepResult } from "./run-steps.ts";

/** Where each project's vitest leaves its counts; see vitest.config.ts. */
const REPORT_FILE = "test-report.json";

/** The fields we read of vitest's JSON report. */
interface TestReport {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}

/** Removes reports of earlier runs: after a crash they would pass for this run's. */
export async function removeTestReports(root: string, projects: readonly string[]): Promise<void> {
  await Promise.all(
    projects.map((project) => rm(join(root, project, REPORT_FILE), { force: true })),
  );
}

/**
 * Sums the reports of `projects`. A project without a report, or whose run failed although no test
 * did (a file that does not load, no test at all), counts as one failure.
 */
export async function sumTestReports(
  root: string,
  projects: readonly string[],
): Promise<StepResult> {
  let passed = 0;
  let failed = 0;
  const remarks: string[] = [];
  for (const project of projects) {
    const report = await readReport(join(root, project, REPORT_FILE));
    if (report === undefined) {
      remarks.push(`${project}: the run left no ${REPORT_FILE}`);
      failed += 1;
      continue;
    }
    passed += report.numPassedTests;
    failed += report.numFailedTests;
    if (!report.success && report.numFailedTests === 0) {
      remarks.push(`${project}: the run failed although no test did`);
      failed += 1;
    }
  }
  const note = `${passed + failed} tests in ${projects.length} projects`;
  return { passed, failed, note, output: remarks.join("\n") };
}

async function readReport(file: string): Promise<TestReport | undefined> {
  try {
    const report = JSON.parse(await readFile(file, "utf8")) as Partial<TestReport>;
    const { success, numPassedTests, numFailedTests } = report;
    if (success === undefined || numPassedTests === undefined) return undefined;
    return { success, numPassedTests, numFailedTests: numFailedTests ?? 0 };
  } catch {
    return undefined;
  }
}
