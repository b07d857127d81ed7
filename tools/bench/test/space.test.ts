import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskBytesOf } from "../src/measures/space.ts";

test("files count with the blocks that they take, in folders too, and holes do not", () => {
  const folder = mkdtempSync(join(import.meta.dirname, "space-"));
  try {
    mkdirSync(join(folder, "deep"));
    writeFileSync(join(folder, "deep", "file"), new Uint8Array(100_000));
    writeFileSync(join(folder, "holes"), "");
    truncateSync(join(folder, "holes"), 1 << 30);

    const bytes = diskBytesOf(folder);

    expect(bytes).toBeGreaterThanOrEqual(100_000);
    expect(bytes).toBeLessThan(1 << 20);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
