import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineProcess } from "../engine/engine-process.ts";
import { type Shape } from "../engine/engine-tasks.ts";
import { type LoopDelay } from "../loop-delay.ts";
import { sharedRun } from "../shared-runs.ts";
import { CACHE_BYTES } from "../stores/embedded-store.ts";
import { type Measure, type RunContext } from "../suite.ts";

const KEY_BYTES = 16;
const CALLERS = 64;
/** No checkpoint but those asked for. */
const NO_CHECKPOINTS = { checkpointLogBytes: 2 ** 40, checkpointIntervalMs: 2 ** 31 - 1 };

/** Checkpoints over which the event loop is watched. */
const DELAY_CHECKPOINTS = 3;
const DELAY_LOG_QUICK_BYTES = 4 << 20;

/** The event loop of a process that does nothing but write, over three checkpoints, by default. */
export function loopDelays(): Measure[] {
  const row = (name: string, delayOf: (run: LoopDelay) => number): Measure => {
    let next = 0;
    return {
      id: `embedded.loop-delay-${name}-ms`,
      unit: "ms",
      better: "less",
      samples: 2,
      prepare: async () => {
        next = 0;
        return { type: "ready" };
      },
      run: async (context) => {
        if (context.isWarmUp) return { value: 0 };
        const number = next++;
        const make = (): Promise<LoopDelay> => watchDelays(context);
        return { value: delayOf(await sharedRun(context, { name: "loop-delays", number }, make)) };
      },
    };
  };
  return [row("p999", ({ p999Ms }) => p999Ms), row("max", ({ maxMs }) => maxMs)];
}

function watchDelays(context: RunContext): Promise<LoopDelay> {
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
      if (context.isWarmUp) return { value: 0 };
      const shape = shapeOf(context);
      const puts = Math.ceil(context.operations(UPDATES) / UPDATE_CHECKPOINTS);
      return withNewEngine(context, async (engine) => {
        await engine.call("open", { memoryBytes: CACHE_BYTES, ...NO_CHECKPOINTS });
        await engine.call("fill", shape);
        await engine.call("checkpoint", undefined);
        const bytesBefore = await engine.call("writtenBytes", undefined);
        for (let round = 0; round < UPDATE_CHECKPOINTS; round++) {
          await engine.call("put", { ...shape, callers: CALLERS, puts });
          await engine.call("checkpoint", undefined);
        }
        const bytes = (await engine.call("writtenBytes", undefined)) - bytesBefore;
        const putBytes = puts * UPDATE_CHECKPOINTS * (KEY_BYTES + shape.valueBytes);
        return { value: bytes / putBytes };
      });
    },
  };
}

/** Runs `body` with an engine whose folder is empty at first and gone afterwards. */
async function withNewEngine<T>(
  context: RunContext,
  body: (engine: EngineProcess) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(context.folder, "engine-"));
  try {
    return await EngineProcess.use(folder, body);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The pairs of the suite. */
function shapeOf({ isQuick }: RunContext): Shape {
  return { keys: isQuick ? 20_000 : 1_000_000, valueBytes: 100 };
}
