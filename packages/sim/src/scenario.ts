import { assert } from "@kvs/env";
import { applyFault, type FaultEvent } from "./fault-event.ts";
import { type FaultPlan } from "./fault-plan.ts";
import { type Simulation } from "./simulation.ts";

/**
 * A run's faults, as plain data: `JSON.stringify` stores it, and with the same program it can be
 * run again. The seed decides everything that is no listed fault.
 */
export interface FaultScenario {
  readonly seed: number;
  /** What held for the whole run; its intervals are not used again. */
  readonly plan: FaultPlan;
  /** In the order in which they happened. */
  readonly events: readonly FaultEvent[];
}

/**
 * Makes the faults of a scenario happen again, at their moments, instead of drawing any. Call it
 * where `startNemesis` was called: at the beginning, after the hosts were added.
 */
export function replayScenario(simulation: Simulation, scenario: FaultScenario): void {
  assert(scenario.seed === simulation.seed, "a scenario belongs to its seed");
  applyPlan(simulation, scenario.plan);
  for (const { atMicros, fault } of scenario.events) {
    const delayMs = (atMicros - simulation.nowMicros) / 1000;
    assert(delayMs >= 0, "a scenario is replayed from its beginning");
    simulation.after(delayMs, () => applyFault(simulation, fault));
  }
}

/** Puts into force what a plan says of the whole run: links, disks, clocks. */
export function applyPlan(simulation: Simulation, plan: FaultPlan): void {
  simulation.network.configure(plan.network.link);
  const random = simulation.random.split("clocks");
  const { offsetMaxMs, driftMaxPpm } = plan.clock;
  for (const host of simulation.hosts) {
    const stream = random.split(host.name);
    if (offsetMaxMs > 0) host.clock.jump(stream.below(2 * offsetMaxMs + 1) - offsetMaxMs);
    const driftPpm = driftMaxPpm > 0 ? stream.below(2 * driftMaxPpm + 1) - driftMaxPpm : 0;
    if (driftPpm !== 0) host.clock.setDrift(driftPpm, simulation.nowMicros);
    if (Object.keys(plan.disk.calls).length > 0) host.configureDisk(plan.disk.calls);
  }
}
