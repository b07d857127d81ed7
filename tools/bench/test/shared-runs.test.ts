import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sharedRun } from "../src/shared-runs.ts";
import { createContext } from "../src/suite.ts";

test("rows that share runs read the same ones, and each run is made once", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kvs-bench-shared-"));
  const context = createContext({ isQuick: true, isWarmUp: false, folder });
  let made = 0;
  const make = async (): Promise<{ readonly number: number }> => ({ number: made++ });
  try {
    const first = await sharedRun(context, { name: "runs", number: 0 }, make);
    const third = await sharedRun(context, { name: "runs", number: 2 }, make);
    const again = await sharedRun(context, { name: "runs", number: 0 }, make);
    const other = await sharedRun(context, { name: "other-runs", number: 0 }, make);

    expect([first, third, again, other].map(({ number }) => number)).toEqual([0, 2, 0, 3]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
