import { expect, test } from "vitest";
import { StorageViolation } from "../src/scenarios/storage/audit.ts";
import { hideSpreadVersions, reviveTornGroup } from "../src/scenarios/storage/special-scripts.ts";

/** For how many of these cases the run finds a violation. */
async function countViolations(
  cases: readonly number[],
  run: (each: number) => Promise<void>,
): Promise<number> {
  let violations = 0;
  for (const each of cases) {
    try {
      await run(each);
    } catch (error) {
      if (!(error instanceof StorageViolation)) throw error;
      violations++;
    }
  }
  return violations;
}

test("REL-W6: what a torn group left behind never comes back, also where its records would fit", async () => {
  await reviveTornGroup();
});

test("REL-W6: without epochs it comes back (wal.ignore-epoch)", async () => {
  await expect(reviveTornGroup(["wal.ignore-epoch"])).rejects.toThrow(StorageViolation);
});

const VERSIONS = Array.from({ length: 16 }, (_, versions) => versions + 1);

test("REL-P11: a delete hides all older versions, also those on the next page", async () => {
  expect(await countViolations(VERSIONS, (versions) => hideSpreadVersions(versions))).toBe(0);
});

test("REL-P11: a delete that goes too early lets a key come back (txn.prune-tombstone-early)", async () => {
  const run = (versions: number): Promise<void> =>
    hideSpreadVersions(versions, ["txn.prune-tombstone-early"]);
  expect(await countViolations(VERSIONS, run)).toBeGreaterThan(0);
});
