import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EngineProcess } from "../src/engine/engine-process.ts";
import { memoryOf } from "../src/process-memory.ts";

const TIMEOUT_MS = 60_000;
const SHAPE = { keys: 2000, valueBytes: 100 };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvs-bench-engine-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test(
  "a store is filled, written to and read in a process of its own",
  async () => {
    await EngineProcess.use(folder, async (engine) => {
      const opened = await engine.call("open", { memoryBytes: 8 << 20 });
      await engine.call("fill", SHAPE);
      const put = await engine.call("put", { ...SHAPE, callers: 4, puts: 500 });
      const mix = await engine.call("mix", { ...SHAPE, callers: 4, milliseconds: 100 });
      const memory = memoryOf(engine.pid);
      await engine.call("close", undefined);

      expect(opened.elapsedMs).toBeGreaterThan(0);
      expect(put.puts).toBe(500);
      expect(put.logBytes).toBeGreaterThan((2000 + 500) * 116);
      expect(put.pageFileBytes).toBeGreaterThan(2000 * 116);
      expect(put.loopDelay.maxMs).toBeGreaterThanOrEqual(put.loopDelay.p999Ms - 1);
      expect(mix.value).toBeGreaterThan(10);
      expect(memory.peakMb).toBeGreaterThan(20);
    });
  },
  TIMEOUT_MS,
);

test(
  "puts end after so many checkpoints, or with so much log",
  async () => {
    await EngineProcess.use(folder, async (engine) => {
      await engine.call("open", { checkpointLogBytes: 1 << 20 });
      await engine.call("put", { ...SHAPE, callers: 64, checkpoints: 2 });
      await engine.call("checkpoint", undefined);
      const { logBytes } = await engine.call("put", { ...SHAPE, callers: 64, logBytes: 1 << 18 });

      expect(logBytes).toBeGreaterThanOrEqual(1 << 18);
      expect(logBytes).toBeLessThan(1 << 20);
    });
  },
  TIMEOUT_MS,
);

test(
  "a process that kills itself under load leaves a store that the next one opens",
  async () => {
    await EngineProcess.use(folder, async (engine) => {
      await engine.call("open", { checkpointLogBytes: 1 << 20 });
      await engine.callToDeath("putUntilKilled", { ...SHAPE, callers: 64, dueBytes: 1 << 20 });
      await expect(engine.call("checkpoint", undefined)).rejects.toThrow();
    });
    await EngineProcess.use(folder, async (engine) => {
      const { elapsedMs } = await engine.call("open", {});
      expect(elapsedMs).toBeGreaterThan(0);
    });
  },
  TIMEOUT_MS,
);

test(
  "a task that fails is an error with its reason, and so is a death that was none",
  async () => {
    await EngineProcess.use(folder, async (engine) => {
      await expect(engine.call("fill", SHAPE)).rejects.toThrow("the store was opened");
      await expect(engine.callToDeath("close", undefined)).rejects.toThrow("the store was opened");
    });
  },
  TIMEOUT_MS,
);

test(
  "a copy under load is as long as the store at least, and puts go on before, during and after it",
  async () => {
    await EngineProcess.use(folder, async (engine) => {
      await engine.call("open", {});
      await engine.call("fill", SHAPE);
      const before = await engine.call("writtenBytes", undefined);
      const copy = await engine.call("copyUnderLoad", { ...SHAPE, callers: 8, aloneMs: 100 });
      const after = await engine.call("writtenBytes", undefined);

      expect(copy.copyBytes).toBeGreaterThan(2000 * 116);
      expect(after - before).toBeGreaterThan(copy.copyBytes);
      expect(Math.min(copy.copyMs, copy.aloneRate, copy.copyRate)).toBeGreaterThan(0);
    });
  },
  TIMEOUT_MS,
);
