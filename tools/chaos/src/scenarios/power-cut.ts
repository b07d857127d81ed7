import { cutPower } from "../power-cuts.ts";
import { type ReflinkDisk, withReflinkDisk } from "../reflink-disk.ts";
import { type Scenario, type ScenarioContext, type ScenarioResult } from "../scenario.ts";

// REL-W8, W12, W13, W16
/** Keeps what a disk holds at many moments, and looks whether the store in it lost anything. */
export const powerCut: Scenario = {
  name: "power-cut",
  description: "images of a disk while a process writes; a round is one image; needs root",
  rounds: 200,
  run: (context) => withReflinkDisk(context.sandbox, (disk) => runCuts(context, disk)),
};

async function runCuts(context: ScenarioContext, disk: ReflinkDisk): Promise<ScenarioResult> {
  const cuts = await cutPower(context, disk, { mutants: context.mutants });
  return {
    rounds: cuts.images,
    acknowledged: cuts.acknowledged,
    violations: cuts.violations,
    counts: {
      ...cuts.byFileSystem,
      "images with answered batches": cuts.images - cuts.earlyImages,
    },
  };
}
