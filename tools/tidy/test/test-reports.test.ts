import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeTestReports, sumTestReports } from "../src/test-reports.ts";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "tidy-"));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

async function report(project: string, text: string): Promise<void> {
  await mkdir(join(root, project), { recursive: true });
  await writeFile(join(root, project, "test-report.json"), text);
}

function counts(passed: number, failed: number, success: boolean): string {
  return JSON.stringify({ numPassedTests: passed, numFailedTests: failed, success });
}

test("the tests of all projects are summed", async () => {
  await report("a", counts(3, 0, true));
  await report("b", counts(2, 1, false));

  const result = await sumTestReports(root, ["a", "b"]);

  expect(result).toMatchObject({ passed: 5, failed: 1, note: "6 tests in 2 projects" });
});

test("a project without a report is a failure", async () => {
  await report("a", counts(3, 0, true));

  const result = await sumTestReports(root, ["a", "b"]);

  expect(result).toMatchObject({ passed: 3, failed: 1 });
  expect(result.output).toContain("b: the run left no");
});

test("a run that failed without a failing test is a failure", async () => {
  await report("a", counts(3, 0, false));

  expect(await sumTestReports(root, ["a"])).toMatchObject({ passed: 3, failed: 1 });
});

test("half a report is a failure", async () => {
  await report("a", '{ "numPassedTests": 3');

  expect(await sumTestReports(root, ["a"])).toMatchObject({ passed: 0, failed: 1 });
});

test("a removed report counts no more", async () => {
  await report("a", counts(3, 0, true));

  await removeTestReports(root, ["a", "never-there"]);

  expect(await sumTestReports(root, ["a"])).toMatchObject({ passed: 0, failed: 1 });
});
