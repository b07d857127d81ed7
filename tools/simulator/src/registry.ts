import { type Scenario } from "./scenario.ts";
import { envScenario } from "./scenarios/env.ts";

/** Every scenario there is. A new one is a file in `scenarios` and a line here. */
export const scenarios: readonly Scenario[] = [envScenario];
