import { type StepResult } from "./run-steps.ts";

/** One broken rule, at one place. */
export interface Finding {
  /** Relative to the root, with "/". */
  readonly file: string;
  /** 1-based; 1 where the whole file is meant. */
  readonly line: number;
  /** What is wrong and what to do. */
  readonly message: string;
}

/** Turns findings into one check's result: `file:line message`, sorted. */
export function describeFindings(findings: readonly Finding[]): StepResult {
  const sorted = findings.toSorted(
    (a, b) => compareText(a.file, b.file) || a.line - b.line || compareText(a.message, b.message),
  );
  const output = sorted.map(({ file, line, message }) => `${file}:${line} ${message}`).join("\n");
  if (findings.length === 0) return { passed: 1, failed: 0, output };
  return { passed: 0, failed: 1, note: countOf(findings.length, "finding"), output };
}

/** Orders by code unit, the same on every machine. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** "1 finding", "2 findings". */
function countOf(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
