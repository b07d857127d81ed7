import suite from "abstract-level/test";
import tape from "tape";

/** What a run of the suite of `abstract-level` came to. */
export interface SuiteReport {
  readonly tests: number;
  readonly assertions: number;
  /** Names of tests and assertions that were left out. */
  readonly skipped: readonly string[];
  readonly failures: readonly string[];
}

/** Runs the suite that `abstract-level` publishes for implementations, on a harness of its own. */
export async function runPublishedSuite(
  factory: (options?: object) => object,
): Promise<SuiteReport> {
  const harness = tape.createHarness({ autoclose: true });
  const rows = harness.createStream({ objectMode: true });
  suite({ test: harness, factory });
  const names = new Map<number, string>();
  const skipped: string[] = [];
  const failures: string[] = [];
  let assertions = 0;
  rows.on("data", (row) => {
    const isSkipped = row.skip !== undefined && row.skip !== false;
    if (row.type === "test") {
      names.set(row.id!, row.name ?? "");
      if (isSkipped) skipped.push(row.name ?? "");
    }
    if (row.type !== "assert") return;
    assertions++;
    const where = `${names.get(row.test!) ?? ""}: ${row.name ?? ""}`;
    if (isSkipped) skipped.push(where);
    else if (row.ok !== true) failures.push(`${where} (${describe(row.error ?? row.actual)})`);
  });
  await new Promise<void>((resolve) => rows.on("end", resolve));
  return { tests: names.size, assertions, skipped, failures };
}

function describe(found: unknown): string {
  return found instanceof Error ? (found.stack ?? found.message) : JSON.stringify(found);
}
