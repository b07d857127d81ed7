import { type TraceLevel } from "@kvs/env";
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { createStderrTrace } from "../src/stderr-trace.ts";

test("a trace shows its level and the louder ones", () => {
  const levels: readonly TraceLevel[] = ["error", "warn", "info", "debug", "trace"];
  for (const [at, shown] of levels.entries()) {
    const trace = createStderrTrace(shown);
    expect(levels.map((level) => trace.isEnabled(level))).toEqual(levels.map((_, of) => of <= at));
  }
});

test("an event is one line, with values quoted where they are not plain", () => {
  const source = `
    import { createStderrTrace } from "${import.meta.resolve("../src/stderr-trace.ts")}";
    const trace = createStderrTrace("info");
    trace.event("warn", "wal.segment", "the segment is full", {
      path: "/data/000.wal", bytes: 64, full: true, none: undefined, text: 'two\\nlines "x"',
    });
    trace.event("debug", "wal.segment", "not shown");
    trace.event("error", "wal", "no fields");
  `;
  const result = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", source]);
  const lines = String(result.stderr).replaceAll(/^\S+Z /gm, "TIME ");
  expect(lines).toBe(
    "TIME WARN  wal.segment  the segment is full  path=/data/000.wal bytes=64 full=true " +
      'text="two\\nlines \\"x\\""\nTIME ERROR wal  no fields\n',
  );
});
