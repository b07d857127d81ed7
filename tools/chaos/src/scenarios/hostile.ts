import { Worker } from "node:worker_threads";
import { type HostileOutcome } from "../hostile-store.ts";
import { type Scenario, type ScenarioContext, type ScenarioResult } from "../scenario.ts";
import { type Tally, emptyTally, note } from "../tally.ts";

/** A store that takes longer to answer or fail hangs; the machine may be busy. */
const SEED_TIMEOUT_MS = 30_000;
const PROGRESS_ROUNDS = 5000;

// REL-W4, W7, W23
/** Opens stores whose files were changed, and looks whether they answer rightly or say so. */
export const hostile: Scenario = {
  name: "hostile",
  description: "files with changed bytes, checksums mended or not; a round is one store",
  rounds: 2000,
  run: async (context) => {
    const tally = emptyTally();
    let first = context.random.nextUint32();
    while (context.wantsMore(tally.rounds)) first = await runWorker(context, tally, first);
    return tally satisfies ScenarioResult;
  },
};

interface WorkerMessage extends HostileOutcome {
  readonly seed: number;
}

/**
 * Runs seeds in a thread of their own until enough are done, or one ends the thread or never ends.
 *
 * @returns The first seed that was not tried.
 */
function runWorker(context: ScenarioContext, tally: Tally, first: number): Promise<number> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL("../hostile-worker.ts", import.meta.url), {
      workerData: { first },
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    });
    let seed = first;
    const stop = (violation?: string): void => {
      clearTimeout(watchdog);
      worker.removeAllListeners();
      worker.on("error", () => undefined);
      if (violation !== undefined) tally.violations.push(`seed ${seed}: ${violation}`);
      if (violation !== undefined) tally.rounds++;
      void worker.terminate().then(() => resolve(seed + 1));
    };
    const watchdog = setTimeout(() => stop("it never ends"), SEED_TIMEOUT_MS);
    worker.on("error", (error) => stop(`the thread ended: ${String(error)}`));
    worker.on("message", (message: WorkerMessage) => {
      watchdog.refresh();
      noteStore(tally, message);
      if (tally.rounds % PROGRESS_ROUNDS === 0) context.progress(`${tally.rounds} stores`);
      seed = message.seed;
      if (!context.wantsMore(tally.rounds)) stop();
      else seed++;
    });
  });
}

function noteStore(tally: Tally, { seed, outcomes, violations }: WorkerMessage): void {
  tally.rounds++;
  for (const outcome of new Set(outcomes)) note(tally, outcome);
  tally.violations.push(...violations.map((text) => `seed ${seed}: ${text}`));
}
