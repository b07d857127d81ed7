import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineProcess } from "../engine/engine-process.ts";
import { type PutResult } from "../engine/engine-tasks.ts";
import { dropPageCache, noteOnPageCache } from "../page-cache.ts";
import { type Measure, type RunContext, type Suite } from "../suite.ts";

const VALUE_BYTES = 100;
/** A log that no checkpoint cuts. */
const ENDLESS = { checkpointLogBytes: 2 ** 40, checkpointIntervalMs: 2 ** 31 - 1 };

/** What a crash costs: stores in processes of their own that are killed. */
export const recoverySuite: Suite = {
  name: "recovery",
  description: "the storage engine after kill -9: redo of a long log, opening",
  measures: [replay(), open()],
};

/** Log of the crashed store: 10^9 bytes. */
const REPLAY_LOG_BYTES = 1e9;
const REPLAY_LOG_QUICK_BYTES = 10e6;
/** Few enough that the images of all pages come to less than a tenth of the log. */
const REPLAY_KEYS = 300_000;
const REPLAY_KEYS_QUICK = 4000;
const REPLAY_CALLERS = 512;
const IMAGES_SHARE_MAX = 0.1;

/** `Store.open` of a store that was killed with a gigabyte of log and no checkpoint. */
function replay(): Measure {
  let crashed: string;
  let log: PutResult;
  return {
    id: "recovery.replay-mb-per-s",
    unit: "MB/s",
    prepare: async (context) => {
      crashed = mkdtempSync(join(context.folder, "crashed-"));
      log = await makeCrashedStore(crashed, context);
      const imagesShare = log.pageFileBytes / log.logBytes;
      if (imagesShare > IMAGES_SHARE_MAX && !context.isQuick) {
        throw new Error(`images may be ${imagesShare} of the log`);
      }
      return {
        type: "ready",
        note: `${noteOnPageCache(dropPageCache())}; ${Math.round(log.logBytes / 1e6)} MB of log`,
        dispose: () => rmSync(crashed, { recursive: true, force: true }),
      };
    },
    run: async ({ folder, isWarmUp }) => {
      if (isWarmUp) return { value: 0 }; // each sample is a new process: nothing stays warm
      const copy = mkdtempSync(join(folder, "replayed-"));
      cpSync(crashed, copy, { recursive: true });
      dropPageCache();
      try {
        const { elapsedMs, cpuMicros } = await EngineProcess.use(copy, (engine) =>
          engine.call("open", {}),
        );
        return {
          value: log.logBytes / 1e6 / (elapsedMs / 1000),
          cpuMicrosPerOp: cpuMicros / log.puts,
        };
      } finally {
        rmSync(copy, { recursive: true, force: true });
      }
    },
  };
}

/** A store whose process was killed when its log had this length. */
function makeCrashedStore(folder: string, { isQuick }: RunContext): Promise<PutResult> {
  const keys = isQuick ? REPLAY_KEYS_QUICK : REPLAY_KEYS;
  const logBytes = isQuick ? REPLAY_LOG_QUICK_BYTES : REPLAY_LOG_BYTES;
  return EngineProcess.use(folder, async (engine) => {
    await engine.call("open", ENDLESS);
    await engine.call("fill", { keys, valueBytes: VALUE_BYTES });
    await engine.call("checkpoint", undefined);
    return engine.call("put", { keys, valueBytes: VALUE_BYTES, callers: REPLAY_CALLERS, logBytes });
  });
}

const OPEN_KEYS = 1_000_000;
const OPEN_KEYS_QUICK = 20_000;
const OPEN_CALLERS = 64;
/** After which a checkpoint begins by default. */
const CHECKPOINT_LOG_BYTES = 256 << 20;
const CHECKPOINT_LOG_QUICK_BYTES = 4 << 20;

/**
 * `Store.open` after a kill at the worst moment of normal work: a checkpoint is under way, and the
 * log at its longest. The process that measured goes on writing until it is killed for the next.
 */
function open(): Measure {
  let folder: string;
  return {
    id: "recovery.open-ms",
    unit: "ms",
    better: "less",
    prepare: async (context) => {
      folder = mkdtempSync(join(context.folder, "killed-"));
      await EngineProcess.use(folder, async (engine) => {
        await engine.call("open", openOptions(context));
        await engine.call("fill", openShape(context));
        await loadToDeath(engine, context);
      });
      return {
        type: "ready",
        note: "page cache as the kill left it",
        dispose: () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    run: (context) => {
      if (context.isWarmUp) return Promise.resolve({ value: 0 });
      return EngineProcess.use(folder, async (engine) => {
        const { elapsedMs } = await engine.call("open", openOptions(context));
        await loadToDeath(engine, context);
        return { value: elapsedMs };
      });
    },
  };
}

function openShape({ isQuick }: RunContext): { keys: number; valueBytes: number } {
  return { keys: isQuick ? OPEN_KEYS_QUICK : OPEN_KEYS, valueBytes: VALUE_BYTES };
}

/** The defaults; a quick run has less log. */
function openOptions({ isQuick }: RunContext): { checkpointLogBytes?: number } {
  return isQuick ? { checkpointLogBytes: CHECKPOINT_LOG_QUICK_BYTES } : {};
}

function loadToDeath(engine: EngineProcess, context: RunContext): Promise<void> {
  const dueBytes = context.isQuick ? CHECKPOINT_LOG_QUICK_BYTES : CHECKPOINT_LOG_BYTES;
  return engine.callToDeath("putUntilKilled", {
    ...openShape(context),
    callers: OPEN_CALLERS,
    dueBytes,
  });
}
