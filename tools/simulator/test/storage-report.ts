import { type CrashReport } from "../src/scenarios/storage/crash-explorer.ts";

/** One line for people: how much was tried. */
export function summaryOf(name: string, report: CrashReport): string {
  const { operations, diskCalls, images, recoveries, recoveryCrashes } = report;
  return (
    `${name}: ${operations} operations, ${diskCalls} disk calls; ${images} crash points and ` +
    `${recoveryCrashes} in recovery were compared, ${recoveries} of them differed and recovered`
  );
}
