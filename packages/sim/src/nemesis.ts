import { assert, type Random } from "@kvs/env";
import { drawFault, type FaultTargets } from "./draw-fault.ts";
import { applyFault, type FaultEvent } from "./fault-event.ts";
import { type FaultKind, type FaultPlan, intervalsOf } from "./fault-plan.ts";
import { applyPlan, type FaultScenario } from "./scenario.ts";
import { type Simulation } from "./simulation.ts";

/** Whom a nemesis hurts, and how badly. */
export interface NemesisOptions {
  /** Default: all hosts of the simulation. */
  readonly hosts?: readonly string[];
  /** Hosts whose stored bytes may be damaged. Default: none. */
  readonly damageable?: readonly string[];
}

/**
 * Puts a plan into force and injects its faults at drawn moments, until told to stop. Call it after
 * the hosts were added.
 *
 * Each kind of fault has a stream of its own: a plan without one kind injects the others at the
 * same moments as before.
 */
export function startNemesis(
  simulation: Simulation,
  plan: FaultPlan,
  options: NemesisOptions = {},
): Nemesis {
  return new Nemesis(simulation, plan, options);
}

/** What injects faults, and remembers which. */
export class Nemesis {
  readonly #simulation: Simulation;
  readonly #plan: FaultPlan;
  readonly #targets: FaultTargets;
  readonly #events: FaultEvent[] = [];
  #isStopped = false;

  constructor(simulation: Simulation, plan: FaultPlan, options: NemesisOptions) {
    this.#simulation = simulation;
    this.#plan = plan;
    const hosts = options.hosts ?? simulation.hosts.map((host) => host.name);
    assert(hosts.length > 0, "a nemesis needs hosts: start it after they were added");
    this.#targets = { hosts, damageable: options.damageable ?? [] };
    applyPlan(simulation, plan);
    const random = simulation.random.split("nemesis");
    for (const [kind, meanMs] of Object.entries(intervalsOf(plan))) {
      this.#scheduleNext(kind as FaultKind, meanMs, random.split(kind));
    }
  }

  /** The faults injected so far, as a scenario that `replayScenario` repeats. */
  scenario(): FaultScenario {
    return { seed: this.#simulation.seed, plan: this.#plan, events: [...this.#events] };
  }

  /** Injects nothing any more. Faults that last go on until their end. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Stops, and heals the world, or only some hosts: see `Simulation.heal`. */
  heal(hosts?: readonly string[]): void {
    this.stop();
    this.#simulation.heal(hosts);
  }

  #scheduleNext(kind: FaultKind, meanMs: number, random: Random): void {
    const delayMs = -Math.log(1 - random.nextFloat()) * meanMs;
    this.#simulation.after(delayMs, () => {
      if (this.#isStopped) return;
      this.#inject(kind, random);
      this.#scheduleNext(kind, meanMs, random);
    });
  }

  #inject(kind: FaultKind, random: Random): void {
    const fault = drawFault(this.#simulation, random, kind, this.#targets);
    if (fault === undefined) return;
    this.#events.push({ atMicros: this.#simulation.nowMicros, fault });
    applyFault(this.#simulation, fault);
  }
}
