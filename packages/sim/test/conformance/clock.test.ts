import { expect, test } from "vitest";
import { clockConformance } from "../../src/conformance/clock.ts";
import { Simulation } from "../../src/simulation.ts";

const DRIFTS_PPM = [0, 50_000, -50_000];

for (const clockCase of clockConformance()) {
  test(clockCase.name, async () => {
    for (const driftPpm of DRIFTS_PPM) {
      const simulation = new Simulation({ seed: 1 });
      let isDone = false;
      const host = simulation.addHost("n1", { clock: { offsetMs: -9999, driftPpm } });
      host.lateness = { probability: 0.5, maxMs: 20 };
      host.start(async ({ clock }) => {
        await clockCase.run(clock);
        isDone = true;
      });

      await simulation.run({ until: () => isDone });

      expect(isDone).toBe(true);
    }
  });
}
