import { type Scenario } from "./scenario.ts";
import { decoders } from "./scenarios/decoders.ts";
import { failedSync } from "./scenarios/failed-sync.ts";
import { full } from "./scenarios/full.ts";
import { hostile } from "./scenarios/hostile.ts";
import { kill } from "./scenarios/kill.ts";
import { noSync } from "./scenarios/no-sync.ts";
import { powerCut } from "./scenarios/power-cut.ts";

/** Every scenario, in the order in which a run without a name takes them. */
export const scenarios: readonly Scenario[] = [
  kill,
  full,
  failedSync,
  powerCut,
  noSync,
  hostile,
  decoders,
];
