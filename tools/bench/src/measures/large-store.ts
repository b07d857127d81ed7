import { existsSync } from "node:fs";
import { join } from "node:path";
import { EngineProcess } from "../engine/engine-process.ts";
import { type CopyResult, type Shape } from "../engine/engine-tasks.ts";
import { memoryOf } from "../process-memory.ts";
import { type Sample } from "../sample.ts";
import { sharedRun } from "../shared-runs.ts";
import { CACHE_BYTES } from "../stores/embedded-store.ts";
import { type Measure, type RunContext } from "../suite.ts";

const CALLERS = 64;
/** Pairs that come to 2 GB of keys and values. */
const KEYS = 4_800_000;
const KEYS_QUICK = 24_000;
const VALUE_BYTES = 400;
const MEMORY_BYTES: number = 128 << 20;

const MIX_MS = 300_000;
const MIX_QUICK_MS = 1000;
/** Between two looks at the process's memory. */
const LOOK_MS = 250;

/** The most memory that a process held that served a store of 2 GB for five minutes. */
export function residentMemory(): Measure {
  let folder: string;
  return {
    id: "embedded.rss-mb",
    unit: "MB",
    better: "less",
    samples: 1,
    prepare: async (context) => {
      folder = await largeStore(context);
      return { type: "ready" };
    },
    run: async (context) => {
      if (context.isWarmUp) return { value: 0 };
      const milliseconds = context.isQuick ? MIX_QUICK_MS : MIX_MS;
      const shape = shapeOf(context);
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
    return { ...mix, value: peakMb, spread: [Math.min(least, peakMb), peakMb] };
  } finally {
    clearInterval(look);
  }
}

const ALONE_MS = 5000;
const ALONE_QUICK_MS = 200;

/** Copies of a store of 2 GB that is written to meanwhile, and what they leave the writers. */
export function hotCopies(): Measure[] {
  const row = (
    shape: Pick<Measure, "id" | "unit">,
    valueOf: (copy: CopyResult) => number,
  ): Measure => {
    let next = 0;
    return {
      ...shape,
      samples: 2,
      prepare: async () => {
        next = 0;
        return { type: "ready" };
      },
      run: async (context) => {
        if (context.isWarmUp) return { value: 0 };
        const make = (): Promise<CopyResult> => copyUnderLoad(context);
        const copy = await sharedRun(context, { name: "hot-copies", number: next++ }, make);
        return { value: valueOf(copy) };
      },
    };
  };
  return [
    row(
      { id: "embedded.hot-copy-mb-per-s", unit: "MB/s" },
      ({ copyBytes, copyMs }) => copyBytes / 1e6 / (copyMs / 1000),
    ),
    row(
      { id: "embedded.hot-copy-put-share", unit: "fraction" },
      ({ copyRate, aloneRate }) => copyRate / aloneRate,
    ),
  ];
}

async function copyUnderLoad(context: RunContext): Promise<CopyResult> {
  const folder = await largeStore(context);
  const aloneMs = context.isQuick ? ALONE_QUICK_MS : ALONE_MS;
  return EngineProcess.use(folder, async (engine) => {
    await engine.call("open", { memoryBytes: CACHE_BYTES });
    const load = { ...shapeOf(context), callers: CALLERS, aloneMs };
    const copy = await engine.call("copyUnderLoad", load);
    await engine.call("close", undefined);
    return copy;
  });
}

/** The folder of a store of 2 GB: whoever asks first fills it. */
async function largeStore(context: RunContext): Promise<string> {
  const folder = join(context.folder, "large");
  if (existsSync(folder)) return folder;
  await EngineProcess.use(folder, async (engine) => {
    await engine.call("open", { memoryBytes: CACHE_BYTES });
    await engine.call("fill", shapeOf(context));
    await engine.call("close", undefined);
  });
  return folder;
}

function shapeOf({ isQuick }: RunContext): Shape {
  return { keys: isQuick ? KEYS_QUICK : KEYS, valueBytes: VALUE_BYTES };
}
