/** What a step found. */
export interface StepResult {
  readonly passed: number;
  readonly failed: number;
  /** A few words for the step's line: "412 tests in 7 packages". */
  readonly note?: string;
  /** Shown in full if anything failed. */
  readonly output: string;
}

/** One check, or one run of many tests. */
export interface Step {
  readonly name: string;
  /** Says what it found; throwing counts as one failure. */
  readonly run: () => StepResult | Promise<StepResult>;
}

export interface RunOptions {
  readonly print: (text: string) => void;
  /** Once aborted, no further step starts. */
  readonly stop?: AbortSignal;
}

const NAME_COLUMNS = 12;

/**
 * Runs the steps in order, each whatever the others found, and prints the closing line last.
 *
 * @returns whether nothing failed and nothing was left out.
 */
export async function runSteps(steps: readonly Step[], options: RunOptions): Promise<boolean> {
  let passed = 0;
  let failed = 0;
  for (const step of steps) {
    if (options.stop?.aborted === true) {
      options.print("Stopped before the end.");
      failed += 1;
      break;
    }
    const startMs = performance.now();
    const result = await runStep(step);
    options.print(describeStep(step.name, result, performance.now() - startMs));
    if (result.failed > 0) options.print(indent(result.output));
    passed += result.passed;
    failed += result.failed;
  }
  options.print(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

async function runStep(step: Step): Promise<StepResult> {
  try {
    return await step.run();
  } catch (error) {
    const output = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { passed: 0, failed: 1, output };
  }
}

function describeStep(name: string, result: StepResult, tookMs: number): string {
  const verdict = result.failed === 0 ? "ok  " : "FAIL";
  const seconds = `${(tookMs / 1000).toFixed(1)} s`.padStart(8);
  const note = result.note === undefined ? "" : `  ${result.note}`;
  return `${verdict} ${name.padEnd(NAME_COLUMNS)}${seconds}${note}`;
}

function indent(output: string): string {
  return output.trimEnd().replaceAll(/^(?=.)/gm, "     ");
}
