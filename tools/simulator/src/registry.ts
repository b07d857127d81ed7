import { type Scenario } from "./scenario.ts";
import { envScenario } from "./scenarios/env.ts";
import { raftScenario } from "./scenarios/raft.ts";
import { storageScenario } from "./scenarios/storage.ts";

/** Every scenario there is. A new one is a file in `scenarios` and a line here. */
export const scenarios: readonly Scenario[] = [envScenario, storageScenario, raftScenario];
