import {
  CRASH_IMAGES,
  CRASH_POINTS,
  CRASH_POINTS_IN_RECOVERY,
  type Scenario,
  type SeedResult,
} from "../src/scenario.ts";

/**
 * A scenario without a simulator, for tests of the command: seeds that end with 7 violate,
 * `demo.broken` violates always, `demo.throws` throws, `demo.shaky` has a hash by chance.
 */
export const demoScenario: Scenario = {
  name: "demo",
  description: "a scenario for tests",
  mutants: ["demo.broken", "demo.throws", "demo.shaky"],
  faultKinds: ["disk.full", "net.cut"],
  run: async (seed, options) => {
    if (options.mutant === "demo.throws") throw new Error("the world ended");
    const isBroken = seed % 10 === 7 || options.mutant === "demo.broken";
    const shaky = options.mutant === "demo.shaky" ? Math.floor(Math.random() * 2 ** 40) : 0;
    const result: SeedResult = {
      violations: isBroken ? ["a record was lost"] : [],
      simulatedSeconds: 1.5,
      operations: 10,
      faults: new Map([
        ["net.cut", seed % 2],
        [CRASH_POINTS, 30],
        [CRASH_POINTS_IN_RECOVERY, 10],
        [CRASH_IMAGES, 4],
      ]),
      probes: new Map([["reached", 1]]),
      buggifySites: new Map([["site", 0]]),
      hash: (seed * 0x1_0001 + shaky).toString(16).padStart(16, "0"),
    };
    return {
      ...result,
      ...(options.wantsHistory === true ? { history: ['{"index":0}', '{"index":1}'] } : {}),
      ...(options.wantsTrace === true ? { trace: ['{"at":0}'] } : {}),
    };
  },
};
