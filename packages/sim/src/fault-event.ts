import { assert, unreachable } from "@kvs/env";
import { type FaultKind, isKindOf, type PartitionFaultKind } from "./fault-plan.ts";
import { type SimHost } from "./host.ts";
import { type LinkSettings } from "./network/link.ts";
import { type Cut } from "./network/partitions.ts";
import { type Simulation } from "./simulation.ts";

/**
 * One fault with all its arguments: plain data, from which it can be done again. Faults that last
 * end by themselves, so that any subset of a list of faults makes sense.
 */
export type Fault =
  | { readonly kind: "process.kill"; readonly hosts: readonly string[]; readonly downMs: number }
  | {
      readonly kind: "process.crash" | "process.crash-all" | "process.crash-in-recovery";
      readonly hosts: readonly string[];
      readonly downMs: number;
      /** After each restart the power fails again, so much later. */
      readonly againAfterMs: readonly number[];
    }
  | {
      readonly kind: "process.pause" | "process.suspend";
      readonly host: string;
      readonly forMs: number;
      readonly first: "timers" | "input";
    }
  | { readonly kind: "clock.jump"; readonly host: string; readonly byMs: number }
  | { readonly kind: "clock.drift"; readonly host: string; readonly driftPpm: number }
  | {
      readonly kind: "clock.late-timers";
      readonly host: string;
      readonly probability: number;
      readonly maxMs: number;
      readonly forMs: number;
    }
  | {
      readonly kind: PartitionFaultKind | "network.clog";
      readonly cuts: readonly Cut[];
      readonly forMs: number;
    }
  | { readonly kind: "network.swizzle"; readonly steps: readonly SwizzleStep[] }
  | {
      readonly kind: "network.reset" | "network.half-open";
      readonly host: string;
      readonly peer: string;
    }
  | { readonly kind: "network.refuse"; readonly host: string; readonly forMs: number }
  | {
      readonly kind: LinkFaultKind;
      readonly from: string;
      readonly to: string;
      readonly settings: Partial<LinkSettings>;
      readonly forMs: number;
    }
  | {
      readonly kind: "disk.slow";
      readonly host: string;
      readonly latencyMeanMicros: number;
      readonly forMs: number;
    }
  | {
      readonly kind: "disk.bit-flip" | "disk.zeroed-sector" | "disk.swapped-pages";
      readonly host: string;
      readonly path: string;
      /** The bit, the sector or the first of two pages, counted from the file's start. */
      readonly at: number;
      /** The other page. */
      readonly other: number;
    };

/** Faults that are settings of one link for a while. */
export type LinkFaultKind =
  | "network.slow"
  | "network.throttle"
  | "network.loss"
  | "network.drop"
  | "network.duplicate"
  | "network.reorder"
  | "network.corrupt";

/** A host is clogged from `afterMs` on, for `forMs`. */
export interface SwizzleStep {
  readonly host: string;
  readonly afterMs: number;
  readonly forMs: number;
}

/** A fault and when it happened. */
export interface FaultEvent {
  readonly atMicros: number;
  readonly fault: Fault;
}

/**
 * Link settings whose single effects are counted where they happen: the fault itself is not, or
 * reports would count it twice.
 */
const COUNTED_BY_EFFECT: readonly FaultKind[] = [
  "network.loss",
  "network.drop",
  "network.duplicate",
  "network.reorder",
  "network.corrupt",
  "disk.bit-flip",
  "disk.zeroed-sector",
  "disk.swapped-pages",
];

/** Does to the world what `fault` says, and counts it under its kind. */
export function applyFault(simulation: Simulation, fault: Fault): void {
  if (!COUNTED_BY_EFFECT.includes(fault.kind)) simulation.countFault(fault.kind);
  if (isFaultOf(fault, "process")) applyToProcess(simulation, fault);
  else if (isFaultOf(fault, "clock")) applyToClock(simulation, fault);
  else if (isFaultOf(fault, "disk")) applyToDisk(simulation, fault);
  else applyToNetwork(simulation, fault);
}

/** Faults whose kinds begin alike. */
type FaultOf<Section extends string> = Extract<Fault, { readonly kind: `${Section}.${string}` }>;

function isFaultOf<Section extends string>(
  fault: Fault,
  section: Section,
): fault is FaultOf<Section> {
  return isKindOf(fault.kind, section);
}

function applyToProcess(simulation: Simulation, fault: FaultOf<"process">): void {
  switch (fault.kind) {
    case "process.kill":
      for (const name of fault.hosts) {
        simulation.host(name).kill();
        restartAfter(simulation, simulation.host(name), { ...fault, againAfterMs: [] });
      }
      break;
    case "process.pause":
    case "process.suspend": {
      const clock = fault.kind === "process.suspend" ? "stops" : "runs";
      simulation.host(fault.host).pause(fault.forMs, { clock, first: fault.first });
      break;
    }
    case "process.crash":
    case "process.crash-all":
    case "process.crash-in-recovery":
      for (const name of fault.hosts) {
        simulation.host(name).crash();
        restartAfter(simulation, simulation.host(name), fault);
      }
      break;
    default:
      unreachable(fault, "fault of processes");
  }
}

/** Has a part of a fault happen later, unless the world is healed before. */
function later(simulation: Simulation, delayMs: number, action: () => void): void {
  const { healCount } = simulation;
  simulation.after(delayMs, () => {
    if (simulation.healCount === healCount) action();
  });
}

/** Restarts a dead host, unless somebody else does; then cuts its power as often as told. */
function restartAfter(
  simulation: Simulation,
  host: SimHost,
  outage: { readonly downMs: number; readonly againAfterMs: readonly number[] },
): void {
  const { generation } = host;
  later(simulation, outage.downMs, () => {
    if (host.isAlive || host.generation !== generation) return;
    host.restart();
    const [next, ...rest] = outage.againAfterMs;
    if (next === undefined) return;
    later(simulation, next, () => {
      if (!host.isAlive || host.generation !== generation + 1) return;
      host.crash();
      restartAfter(simulation, host, { ...outage, againAfterMs: rest });
    });
  });
}

function applyToClock(simulation: Simulation, fault: FaultOf<"clock">): void {
  const host = simulation.host(fault.host);
  if (fault.kind === "clock.jump") {
    host.clock.jump(fault.byMs);
    return;
  }
  if (fault.kind === "clock.drift") {
    host.clock.setDrift(fault.driftPpm, simulation.nowMicros);
    return;
  }
  const lateness = { probability: fault.probability, maxMs: fault.maxMs };
  host.lateness = lateness;
  later(simulation, fault.forMs, () => {
    if (host.lateness === lateness) host.lateness = { probability: 0, maxMs: 0 };
  });
}

function applyToDisk(simulation: Simulation, fault: FaultOf<"disk">): void {
  const host = simulation.host(fault.host);
  if (fault.kind === "disk.slow") {
    const before = host.diskPlan.latencyMeanMicros ?? 0;
    host.configureDisk({ ...host.diskPlan, latencyMeanMicros: fault.latencyMeanMicros });
    later(simulation, fault.forMs, () => {
      host.configureDisk({ ...host.diskPlan, latencyMeanMicros: before });
    });
    return;
  }
  // In a shrunk scenario the file may not be there, or be shorter.
  if (!host.storage.files().includes(fault.path)) return;
  if (fault.kind === "disk.swapped-pages") {
    host.storage.swapPages(fault.path, fault.at, fault.other);
  } else if (fault.kind === "disk.zeroed-sector") host.storage.zeroSector(fault.path, fault.at);
  else if (fault.at < host.storage.readFile(fault.path).length * 8) {
    host.storage.flipBit(fault.path, fault.at);
  }
}

function applyToNetwork(simulation: Simulation, fault: FaultOf<"network">): void {
  const { network } = simulation;
  if ("cuts" in fault) {
    network.healAfter(network.cutAll(fault.cuts), fault.forMs);
  } else if ("settings" in fault) {
    network.healAfter(network.override(fault.from, fault.to, fault.settings), fault.forMs);
  } else if ("steps" in fault) {
    for (const step of fault.steps) swizzle(simulation, step);
  } else if ("peer" in fault) {
    if (fault.kind === "network.reset") network.resetConnections(fault.host, fault.peer);
    else network.halfOpen(fault.host, fault.peer);
  } else {
    assert(fault.kind === "network.refuse", "every fault of the network has its arguments");
    network.healAfter(network.refuse(fault.host), fault.forMs);
  }
}

function swizzle(simulation: Simulation, step: SwizzleStep): void {
  later(simulation, step.afterMs, () => {
    const { network } = simulation;
    network.healAfter(network.clogHost(step.host), step.forMs);
  });
}
