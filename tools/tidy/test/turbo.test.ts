import { expect, test } from "vitest";
import { dropChatter } from "../src/turbo.ts";

test("what turbo says of itself is left out, what a task says stays", () => {
  const output = [
    "   • Running types in 7 packages",
    "@kvs/wal:types: cache miss, executing 7d75b41fe0acf666",
    "@kvs/wal:types: $ tsc -p . && tsc -p test",
    "@kvs/wal:types: src/wal.ts(1,1): error TS2322: no",
    "@kvs/wal:types: [ELIFECYCLE] Command failed with exit code 2.",
    "@kvs/wal#types:  ERROR  command (pnpm) pnpm run types exited (2)",
    " Tasks:    1 successful, 6 total",
    " ERROR  run failed: command  exited (2)",
  ].join("\n");

  expect(dropChatter(output)).toBe("@kvs/wal:types: src/wal.ts(1,1): error TS2322: no");
});
