import { assert, pick, type Random } from "@kvs/env";
import { type DiskFaultPlan, drawDiskFaultPlan } from "./disk/disk-faults.ts";
import { type LinkSettings } from "./network/link.ts";
import { PARTITION_SHAPES, type PartitionShape } from "./network/partitions.ts";

/** Faults of processes. `suspend` is a pause in which the monotonic clock stands still. */
export const PROCESS_FAULTS = [
  "process.kill",
  "process.crash",
  "process.crash-in-recovery",
  "process.crash-all",
  "process.pause",
  "process.suspend",
] as const;

/** Faults of clocks. */
export const CLOCK_FAULTS = ["clock.jump", "clock.drift", "clock.late-timers"] as const;

/** Faults of links that a protocol over connections must endure. */
const LINK_FAULTS = [
  "network.swizzle",
  "network.clog",
  "network.reset",
  "network.half-open",
  "network.refuse",
  "network.slow",
  "network.throttle",
  "network.loss",
] as const;

/** Faults that break the contract of a connection. */
export const EVIL_FAULTS = [
  "network.drop",
  "network.duplicate",
  "network.reorder",
  "network.corrupt",
] as const;

/** Faults of a disk as a whole, besides those of single calls. The last three damage data. */
export const DISK_FAULTS = [
  "disk.slow",
  "disk.bit-flip",
  "disk.zeroed-sector",
  "disk.swapped-pages",
] as const;

export type ProcessFaultKind = (typeof PROCESS_FAULTS)[number];
export type ClockFaultKind = (typeof CLOCK_FAULTS)[number];
export type PartitionFaultKind = `network.partition-${PartitionShape}`;
export type NetworkFaultKind =
  | PartitionFaultKind
  | (typeof LINK_FAULTS)[number]
  | (typeof EVIL_FAULTS)[number];
export type DiskEventKind = (typeof DISK_FAULTS)[number];

/** What a nemesis can do. */
export type FaultKind = ProcessFaultKind | ClockFaultKind | NetworkFaultKind | DiskEventKind;

/** Kinds of one section: what their names begin with. */
export type KindOf<Section extends string> = Extract<FaultKind, `${Section}.${string}`>;

/** Whether a kind belongs to `section`. */
export function isKindOf<Section extends string>(
  kind: FaultKind,
  section: Section,
): kind is KindOf<Section> {
  return kind.startsWith(`${section}.`);
}

/** Faults of the network that happen at a moment, as opposed to single frames. */
const NETWORK_FAULTS: readonly NetworkFaultKind[] = [
  ...PARTITION_SHAPES.map((shape): PartitionFaultKind => `network.partition-${shape}`),
  ...LINK_FAULTS,
  ...EVIL_FAULTS,
];

/** Which kinds happen, and on average how many milliseconds apart. */
export type FaultIntervals<Kind extends FaultKind> = Readonly<Partial<Record<Kind, number>>>;

/**
 * Everything that may go wrong in one run: plain data, so that it can be stored with a seed. What
 * is absent or 0 does not happen.
 */
export interface FaultPlan {
  readonly network: {
    /** How all links behave when nothing special is wrong with them. */
    readonly link: Partial<LinkSettings>;
    readonly intervals: FaultIntervals<NetworkFaultKind>;
  };
  readonly disk: {
    /** Latency and faults of single calls, on all hosts. */
    readonly calls: DiskFaultPlan;
    readonly intervals: FaultIntervals<DiskEventKind>;
  };
  readonly clock: {
    /** Wall clocks are wrong by up to this much from the start. */
    readonly offsetMaxMs: number;
    /** Oscillators are wrong by up to this much from the start. */
    readonly driftMaxPpm: number;
    readonly intervals: FaultIntervals<ClockFaultKind>;
  };
  readonly process: { readonly intervals: FaultIntervals<ProcessFaultKind> };
}

/** A world without faults. */
export const NO_FAULTS: FaultPlan = {
  network: { link: {}, intervals: {} },
  disk: { calls: {}, intervals: {} },
  clock: { offsetMaxMs: 0, driftMaxPpm: 0, intervals: {} },
  process: { intervals: {} },
};

/** What a plan may contain. */
export interface FaultPlanOptions {
  /** Frames may vanish, double, overtake and change. Default: false. */
  readonly canBreakConnections?: boolean;
  /** Disk calls may fail in ways that stop a node. Default: false. */
  readonly canFailDisks?: boolean;
  /** Stored bytes may change. Default: false. */
  readonly canDamageDisks?: boolean;
  /** Whether everything may lose power at once. Default: true. */
  readonly canCrashAll?: boolean;
}

/** One fault at maximum comes this often. */
const INTERVAL_MS_MIN = 100;
/** Other faults come between ten times as often, and this seldom. */
const INTERVAL_MS_MAX = 20_000;

const OFFSET_MS_MAX = 10_000;
const DRIFT_PPM_MAX = 50_000;

/**
 * Draws which faults one run has. Of ten runs one has none at all, and one has a single kind at its
 * maximum; in the others each kind is on with probability 1/2, at an intensity of its own: bugs
 * hide behind each other, and a subset of faults lets a run get deeper than all of them.
 *
 * Source: Groce et al., "Swarm Testing" (ISSTA 2012).
 */
export function drawFaultPlan(random: Random, options: FaultPlanOptions = {}): FaultPlan {
  const shape = random.split("shape").nextFloat();
  if (shape < 0.1) return NO_FAULTS;
  const kinds = allowedKinds(options);
  if (shape < 0.2) {
    const only = pick(random.split("only"), kinds);
    return planOf(new Map([[only, INTERVAL_MS_MIN]]));
  }
  const intervals = new Map<FaultKind, number>();
  for (const kind of kinds) {
    const stream = random.split(kind);
    const isOn = stream.chance(0.5);
    const magnitude = Math.log(INTERVAL_MS_MAX / (10 * INTERVAL_MS_MIN)) * stream.nextFloat();
    if (isOn) intervals.set(kind, Math.round(10 * INTERVAL_MS_MIN * Math.exp(magnitude)));
  }
  const plan = planOf(intervals);
  return {
    ...plan,
    network: { ...plan.network, link: drawLink(random.split("link")) },
    disk: {
      ...plan.disk,
      calls: drawDiskFaultPlan(random.split("disk"), {
        canFail: options.canFailDisks ?? false,
        canDamage: options.canDamageDisks ?? false,
      }),
    },
    clock: { ...plan.clock, ...drawClocks(random.split("clock")) },
  };
}

/** All kinds a plan of these options may have, in a fixed order. */
export function allowedKinds(options: FaultPlanOptions): FaultKind[] {
  const all: FaultKind[] = [...PROCESS_FAULTS, ...CLOCK_FAULTS, ...NETWORK_FAULTS, ...DISK_FAULTS];
  const evil: readonly string[] = EVIL_FAULTS;
  return all.filter((kind) => {
    if (kind === "process.crash-all") return options.canCrashAll ?? true;
    if (evil.includes(kind)) return options.canBreakConnections ?? false;
    if (kind.startsWith("disk.") && kind !== "disk.slow") return options.canDamageDisks ?? false;
    return true;
  });
}

/** The intervals of all kinds that a plan has, in one record. */
export function intervalsOf(plan: FaultPlan): FaultIntervals<FaultKind> {
  return {
    ...plan.process.intervals,
    ...plan.clock.intervals,
    ...plan.network.intervals,
    ...plan.disk.intervals,
  };
}

/** The plan without one kind of fault. */
export function withoutKind(plan: FaultPlan, kind: FaultKind): FaultPlan {
  const kept = new Map<FaultKind, number>();
  for (const [other, interval] of Object.entries(intervalsOf(plan))) {
    if (other !== kind) kept.set(other as FaultKind, interval);
  }
  const rest = planOf(kept);
  return {
    network: { ...plan.network, intervals: rest.network.intervals },
    disk: { ...plan.disk, intervals: rest.disk.intervals },
    clock: { ...plan.clock, intervals: rest.clock.intervals },
    process: rest.process,
  };
}

/** Sorts kinds into their sections; everything else is quiet. */
function planOf(intervals: ReadonlyMap<FaultKind, number>): FaultPlan {
  const section = <Kind extends FaultKind>(prefix: string): FaultIntervals<Kind> => {
    const own = [...intervals].filter(([kind]) => kind.startsWith(`${prefix}.`));
    return Object.fromEntries(own) as FaultIntervals<Kind>;
  };
  for (const interval of intervals.values()) assert(interval >= 1, "faults leave a moment between");
  return {
    network: { ...NO_FAULTS.network, intervals: section("network") },
    disk: { ...NO_FAULTS.disk, intervals: section("disk") },
    clock: { ...NO_FAULTS.clock, intervals: section("clock") },
    process: { intervals: section("process") },
  };
}

function drawLink(random: Random): Partial<LinkSettings> {
  const isFar = random.chance(0.3);
  return {
    delayMinMs: isFar ? 30 * random.nextFloat() : random.nextFloat(),
    delayMeanMs: isFar ? 100 * random.nextFloat() : 2 * random.nextFloat(),
    splitProbability: random.chance(0.5) ? 0.5 : 0,
    lossProbability: random.chance(0.3) ? 0.02 * random.nextFloat() : 0,
  };
}

function drawClocks(random: Random): { offsetMaxMs: number; driftMaxPpm: number } {
  return {
    offsetMaxMs: random.chance(0.5) ? random.below(OFFSET_MS_MAX + 1) : 0,
    driftMaxPpm: random.chance(0.5) ? random.below(DRIFT_PPM_MAX + 1) : 0,
  };
}
