import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineProcess } from "../engine/engine-process.ts";
import { type Shape } from "../engine/engine-tasks.ts";
import { memoryOf, writtenBytesOf } from "../process-memory.ts";
import { type Sample } from "../sample.ts";
import { sharedRun } from "../shared-runs.ts";
import { CACHE_BYTES } from "../stores/embedded-store.ts";
import { type Measure, type RunContext } from "../suite.ts";

const KEY_BYTES = 16;
const CALLERS = 64;
/** No checkpoint but those asked for. */
const NO_CHECKPOINTS = { checkpointLogBytes: 2 ** 40, checkpointIntervalMs: 2 ** 31 - 1 };
const NO_SAMPLE: Sample = { value: 0 };

/** Runs `body` with an engine whose folder is empty at first and gone afterwards. */
async function withNewEngine<T>(
  context: RunContext,
  body: (engine: EngineProcess, folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(context.folder, "engine-"));
  try {
    return await EngineProcess.use(folder, (engine) => body(engine, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface DelayRun {
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Checkpoints over which the event loop is watched. */
const DELAY_CHECKPOINTS = 3;
const DELAY_LOG_QUICK_BYTES = 4 << 20;

/** The event loop of a process that does nothing but write, over three checkpoints, by default. */
export function loopDelays(): Measure[] {
  const row = (name: string, delayOf: (run: DelayRun) => number): Measure => {
    let next = 0;
    return {
      id: `embedded.loop-delay-${name}-ms`,
      unit: "ms",
      better: "less",
      samples: 3,
      prepare: async () => {
        next = 0;
        return { type: "ready" };
      },
      run: async (context) => {
        if (context.isWarmUp) return NO_SAMPLE;
        const number = next++;
        const make = (): Promise<DelayRun> => watchDelays(context);
        return { value: delayOf(await sharedRun(context, { name: "loop-delays", number }, make)) };
      },
    };
  };
  return [row("p999", ({ p999Ms }) => p999Ms), row("max", ({ maxMs }) => maxMs)];
}

function watchDelays(context: RunContext): Promise<DelayRun> {
  const shape = shapeOf(context);
  const checkpointLogBytes = context.isQuick ? { checkpointLogBytes: DELAY_LOG_QUICK_BYTES } : {};
  return withNewEngine(context, async (engine) => {
    await engine.call("open", { memoryBytes: CACHE_BYTES, ...checkpointLogBytes });
    await engine.call("fill", shape);
    await engine.call("checkpoint", undefined);
    const load = { ...shape, callers: CALLERS };
    await engine.call("put", { ...load, puts: context.operations(50_000) }); // compiles the code
    const { loopDelay } = await engine.call("put", { ...load, checkpoints: DELAY_CHECKPOINTS });
    return loopDelay;
  });
}

const UPDATES = 1_000_000;
const UPDATE_CHECKPOINTS = 3;

/** Bytes that go to the disk for each byte of key and value that is put. */
export function writeAmplification(): Measure {
  return {
    id: "embedded.write-amplification",
    unit: "B/B",
    better: "less",
    samples: 2,
    run: async (context) => {
      if (context.isWarmUp) return NO_SAMPLE;
      const shape = shapeOf(context);
      const puts = Math.ceil(context.operations(UPDATES) / UPDATE_CHECKPOINTS);
      return withNewEngine(context, async (engine) => {
        await engine.call("open", { memoryBytes: CACHE_BYTES, ...NO_CHECKPOINTS });
        await engine.call("fill", shape);
        await engine.call("checkpoint", undefined);
        const bytesBefore = writtenBytesOf(engine.pid);
        for (let round = 0; round < UPDATE_CHECKPOINTS; round++) {
          await engine.call("put", { ...shape, callers: CALLERS, puts });
          await engine.call("checkpoint", undefined);
        }
        const bytes = writtenBytesOf(engine.pid) - bytesBefore;
        const putBytes = puts * UPDATE_CHECKPOINTS * (KEY_BYTES + shape.valueBytes);
        return { value: bytes / putBytes };
      });
    },
  };
}

/** Pairs that come to 2 GB of keys and values. */
const LARGE_KEYS = 4_800_000;
const LARGE_VALUE_BYTES = 400;
const MIX_MS = 300_000;
const MIX_QUICK_MS = 1000;
const MEMORY_BYTES: number = 128 << 20;
/** Between two looks at the process's memory. */
const LOOK_MS = 250;

/** The most memory that a process held that served a store of 2 GB for five minutes. */
export function residentMemory(): Measure {
  let folder: string;
  let shape: Shape;
  return {
    id: "embedded.rss-mb",
    unit: "MB",
    better: "less",
    samples: 1,
    prepare: async (context) => {
      folder = mkdtempSync(join(context.folder, "large-"));
      const keys = context.isQuick ? LARGE_KEYS / 100 : LARGE_KEYS;
      shape = { keys, valueBytes: LARGE_VALUE_BYTES };
      await EngineProcess.use(folder, async (engine) => {
        await engine.call("open", { memoryBytes: CACHE_BYTES });
        await engine.call("fill", shape);
        await engine.call("close", undefined);
      });
      return {
        type: "ready",
        dispose: () => rmSync(folder, { recursive: true, force: true }),
      };
    },
    run: ({ isQuick, isWarmUp }) => {
      if (isWarmUp) return Promise.resolve(NO_SAMPLE);
      const milliseconds = isQuick ? MIX_QUICK_MS : MIX_MS;
      return EngineProcess.use(folder, (engine) => watchMemory(engine, { ...shape, milliseconds }));
    },
  };
}

async function watchMemory(
  engine: EngineProcess,
  load: Shape & { readonly milliseconds: number },
): Promise<Sample> {
  await engine.call("open", { memoryBytes: MEMORY_BYTES });
  let least = Infinity;
  const look = setInterval(() => {
    const { residentMb } = memoryOf(engine.pid);
    least = Math.min(least, residentMb);
  }, LOOK_MS);
  try {
    const mix = await engine.call("mix", { ...load, callers: CALLERS });
    const { peakMb } = memoryOf(engine.pid);
    const { cpuMicrosPerOp, p50, p99 } = mix;
    return {
      value: peakMb,
      spread: [Math.min(least, peakMb), peakMb],
      ...(cpuMicrosPerOp === undefined ? {} : { cpuMicrosPerOp }),
      ...(p50 === undefined || p99 === undefined ? {} : { p50, p99 }),
    };
  } finally {
    clearInterval(look);
  }
}

/** The pairs of the suite. */
function shapeOf({ isQuick }: RunContext): Shape {
  return { keys: isQuick ? 20_000 : 1_000_000, valueBytes: 100 };
}
