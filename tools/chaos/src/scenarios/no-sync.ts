import { type PowerCutOptions, cutPower } from "../power-cuts.ts";
import { type ReflinkDisk, withReflinkDisk } from "../reflink-disk.ts";
import { findLibrary } from "../requirements.ts";
import { type Scenario, type ScenarioContext, type ScenarioResult } from "../scenario.ts";

/** Sabotage of the log: it writes without O_DSYNC and syncs nothing. */
const MUTANT = "wal.skip-datasync";

/**
 * The control of `power-cut`: writers that sync nothing lose what they answered, and the same look at
 * the same images has to say so. If it does not, `power-cut` proves nothing.
 *
 * 1. All syncs are turned off from outside: libeatmydata answers them at once, and takes O_DSYNC
 *    and O_SYNC off every open.
 * 2. The log's are turned off from inside.
 */
export const noSync: Scenario = {
  name: "no-sync",
  description: "power-cut without syncs, which must report loss; a round is one image; needs root",
  rounds: 20,
  run: (context) => withReflinkDisk(context.sandbox, (disk) => runControls(context, disk)),
};

async function runControls(context: ScenarioContext, disk: ReflinkDisk): Promise<ScenarioResult> {
  const preload = findLibrary("libeatmydata.so", "eatmydata");
  const controls: Record<string, PowerCutOptions> = {
    ...(preload !== undefined && { libeatmydata: { preload, mutants: [], goesOn: true } }),
    [MUTANT]: { mutants: [MUTANT], goesOn: true },
  };
  const violations: string[] = [];
  const counts: Record<string, number> = {};
  let [rounds, acknowledged] = [0, 0];
  for (const [name, options] of Object.entries(controls)) {
    const cuts = await cutPower(context, disk, options);
    rounds += cuts.images;
    acknowledged += cuts.acknowledged;
    counts[`images under ${name}`] = cuts.images;
    counts[`with loss under ${name}`] = cuts.badImages;
    if (cuts.badImages === 0) {
      violations.push(`${name}: nothing was lost in ${cuts.images} images, so the check is blind`);
    }
  }
  const result = { rounds, acknowledged, violations, counts };
  if (preload !== undefined) return result;
  return { ...result, skipped: "libeatmydata cannot be had; only the mutant was tried" };
}
