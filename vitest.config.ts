import { defineConfig } from "vitest/config";

/**
 * The tests of one package: `vitest run --config ../../vitest.config.ts`, started in its folder.
 *
 * `test-report.json` is what `npm test` sums; turbo caches it with the task.
 */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "json"],
    outputFile: { json: "test-report.json" },
    // Tests assert no times; this only ends what hangs, on a machine that may be busy.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // No package has module-level mutable state, so files may share a process: half the start-up.
    isolate: false,
    // Turbo runs two packages at a time.
    maxWorkers: 2,
    allowOnly: false,
    // A missing snapshot is a failure; `-u` writes it.
    update: "none",
    coverage: {
      provider: "v8",
      include: ["src/**"],
      exclude: ["src/index.ts"],
      reporter: ["text"],
    },
  },
});
