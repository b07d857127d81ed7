import { pick, type Random, shuffle, unreachable } from "@kvs/env";
import { type Fault, type LinkFaultKind } from "./fault-event.ts";
import {
  type ClockFaultKind,
  type DiskEventKind,
  type FaultKind,
  isKindOf,
  type NetworkFaultKind,
  type PartitionFaultKind,
  type ProcessFaultKind,
} from "./fault-plan.ts";
import { type LinkSettings } from "./network/link.ts";
import { type Cut, drawPartition, type PartitionShape } from "./network/partitions.ts";
import { type Simulation } from "./simulation.ts";

/** Bytes of the units of damage. */
const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;

/** Whom a nemesis may hurt. */
export interface FaultTargets {
  /** Hosts that may die, pause and lose their links. At least one. */
  readonly hosts: readonly string[];
  /** Hosts whose stored bytes may be damaged; the others keep a clean copy of everything. */
  readonly damageable: readonly string[];
}

/**
 * Draws the arguments of one fault.
 *
 * @returns `undefined` if the world does not allow this fault now: too few hosts, no file.
 */
export function drawFault(
  simulation: Simulation,
  random: Random,
  kind: FaultKind,
  targets: FaultTargets,
): Fault | undefined {
  const { hosts } = targets;
  if (isKindOf(kind, "process")) return drawProcessFault(random, kind, hosts);
  if (isKindOf(kind, "clock")) return drawClockFault(random, kind, hosts);
  if (isKindOf(kind, "disk")) return drawDiskFault(simulation, random, kind, targets);
  return hosts.length < 2 ? undefined : drawNetworkFault(random, kind, hosts);
}

function drawProcessFault(random: Random, kind: ProcessFaultKind, hosts: readonly string[]): Fault {
  const host = pick(random, hosts);
  switch (kind) {
    case "process.kill":
      return { kind, hosts: [host], downMs: between(random, 1, 10_000) };
    case "process.crash":
      return { kind, hosts: [host], downMs: between(random, 1, 10_000), againAfterMs: [] };
    case "process.crash-all":
      return { kind, hosts, downMs: between(random, 1, 3000), againAfterMs: [] };
    case "process.crash-in-recovery": {
      const count = 1 + random.below(3);
      const againAfterMs = Array.from({ length: count }, () => between(random, 0.01, 200));
      return { kind, hosts: [host], downMs: between(random, 1, 1000), againAfterMs };
    }
    case "process.pause":
    case "process.suspend": {
      const first = random.chance(0.5) ? "timers" : "input";
      return { kind, host, forMs: between(random, 10, 60_000), first };
    }
    default:
      return unreachable(kind, "fault of processes");
  }
}

function drawClockFault(random: Random, kind: ClockFaultKind, hosts: readonly string[]): Fault {
  const host = pick(random, hosts);
  switch (kind) {
    case "clock.jump": {
      const sign = random.chance(0.5) ? 1 : -1;
      return { kind, host, byMs: sign * Math.round(between(random, 1, 3_600_000)) };
    }
    case "clock.drift":
      return { kind, host, driftPpm: random.below(100_001) - 50_000 };
    case "clock.late-timers":
      return {
        kind,
        host,
        probability: random.nextFloat(),
        maxMs: between(random, 1, 1000),
        forMs: between(random, 100, 10_000),
      };
    default:
      return unreachable(kind, "fault of clocks");
  }
}

function drawNetworkFault(random: Random, kind: NetworkFaultKind, hosts: readonly string[]): Fault {
  if (isPartition(kind)) {
    const shape = kind.slice(PARTITION_PREFIX.length) as PartitionShape;
    return { kind, cuts: drawPartition(random, shape, hosts), forMs: between(random, 10, 20_000) };
  }
  const [host, peer] = shuffle(random, [...hosts]) as [string, string, ...string[]];
  const forMs = between(random, 10, 5000);
  if (kind === "network.swizzle") return drawSwizzle(random, hosts);
  if (kind === "network.refuse") return { kind, host, forMs };
  if (kind === "network.reset" || kind === "network.half-open") return { kind, host, peer };
  if (kind === "network.clog") {
    const there: Cut = [host, peer];
    const back: Cut = [peer, host];
    return { kind, cuts: random.chance(0.5) ? [there] : [there, back], forMs };
  }
  return { kind, from: host, to: peer, settings: drawSettings(random, kind), forMs };
}

const PARTITION_PREFIX = "network.partition-";

function isPartition(kind: NetworkFaultKind): kind is PartitionFaultKind {
  return kind.startsWith(PARTITION_PREFIX);
}

/** Clogs a random subset of the hosts one by one, and unclogs them in another order. */
function drawSwizzle(random: Random, hosts: readonly string[]): Fault {
  const chosen = shuffle(random, [...hosts]).slice(0, 1 + random.below(hosts.length));
  const stepMs = between(random, 10, 1000);
  const unclogging = shuffle(random, [...chosen.keys()]);
  const steps = chosen.map((host, index) => {
    const afterMs = index * stepMs;
    const endMs = (chosen.length + unclogging[index]! + 1) * stepMs;
    return { host, afterMs, forMs: endMs - afterMs };
  });
  return { kind: "network.swizzle", steps };
}

function drawSettings(random: Random, kind: LinkFaultKind): Partial<LinkSettings> {
  switch (kind) {
    case "network.slow":
      return { delayMinMs: 30 * random.nextFloat(), delayMeanMs: between(random, 1, 1000) };
    case "network.throttle":
      return { bandwidthBytesPerSecond: Math.round(between(random, 10_000, 10_000_000)) };
    case "network.loss":
      return { lossProbability: 0.01 + 0.29 * random.nextFloat() };
    case "network.drop":
      return { dropProbability: 0.01 + 0.29 * random.nextFloat() };
    case "network.duplicate":
      return { duplicateProbability: 0.01 + 0.49 * random.nextFloat() };
    case "network.reorder":
      return { reorderProbability: 0.01 + 0.49 * random.nextFloat() };
    case "network.corrupt":
      return { corruptProbability: 0.01 + 0.09 * random.nextFloat() };
    default:
      return unreachable(kind, "setting of a link");
  }
}

function drawDiskFault(
  simulation: Simulation,
  random: Random,
  kind: DiskEventKind,
  targets: FaultTargets,
): Fault | undefined {
  if (kind === "disk.slow") {
    const host = pick(random, targets.hosts);
    const latencyMeanMicros = Math.round(between(random, 1000, 1_000_000));
    return { kind, host, latencyMeanMicros, forMs: between(random, 100, 30_000) };
  }
  if (targets.damageable.length === 0) return undefined;
  const host = pick(random, targets.damageable);
  const { storage } = simulation.host(host);
  const paths = storage.files();
  if (paths.length === 0) return undefined;
  const path = pick(random, paths);
  const bytes = storage.readFile(path).length;
  if (bytes === 0) return undefined;
  const draw = (unitBytes: number): number => random.below(Math.ceil(bytes / unitBytes));
  if (kind === "disk.swapped-pages") {
    return { kind, host, path, at: draw(PAGE_BYTES), other: draw(PAGE_BYTES) };
  }
  if (kind === "disk.zeroed-sector") return { kind, host, path, at: draw(SECTOR_BYTES), other: 0 };
  return { kind, host, path, at: 8 * draw(1) + random.below(8), other: 0 };
}

/** Between `low` and `high`, every order of magnitude as likely as any other. */
function between(random: Random, low: number, high: number): number {
  const value = low * Math.exp(Math.log(high / low) * random.nextFloat());
  return Math.round(value * 1000) / 1000; // short in a scenario's text
}
