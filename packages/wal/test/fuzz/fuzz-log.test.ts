import { expect, test } from "vitest";

import { fuzzLog } from "./fuzz-log.ts";

const INPUTS = 50_000;
/** Some seconds, on a machine that is not busy. */
const TIMEOUT_MS = 240_000;
const READ: readonly string[] = ["whole", "shorter", "forged", "torn", "clean"];

// REL-W7, REL-W4
test(
  "REL-W7: whatever is done to a log's bytes, reading it gives a typed error or the right records",
  async () => {
    const outcomes = await fuzzLog({ inputs: INPUTS });
    for (const outcome of [...READ, "WAL_DAMAGED", "WAL_NOT_AUTHENTIC", "WAL_KEY_UNKNOWN"]) {
      expect(outcomes.get(outcome)).toBeGreaterThan(10);
    }
  },
  TIMEOUT_MS,
);
