import { pick, type Random } from "@kvs/env";
import { type ConfigurationInput, type RaftSettings } from "@kvs/raft";
import { drawFaultPlan, type FaultPlan, NO_FAULTS } from "@kvs/sim";

/** All that one seed decides before anything happens. */
export interface RaftKnobs {
  /** Node ids of the founders are the numbers of their hosts. */
  readonly founders: ConfigurationInput;
  /** Founders and spares: hosts 1 to this. */
  readonly hostCount: number;
  /** Hosts whose nodes hold no state. */
  readonly witnessHosts: readonly number[];
  readonly plan: FaultPlan;
  readonly tickMs: number;
  readonly settings: Partial<RaftSettings>;
  /** `durable`: a state that is saved by itself, later than the log. `memory`: images are saved. */
  readonly machine: "memory" | "durable";
  /** Applied entries after which the log is cut. */
  readonly snapshotEntries: number;
  readonly keptEntries: number;
  readonly segmentBytes: number;
  /** How long anything may break. */
  readonly safetyMs: number;
  readonly keys: readonly string[];
  /** Mean pause of a client between two operations. */
  readonly thinkMs: number;
  readonly readShare: number;
  readonly canChangeMembers: boolean;
  readonly canTransfer: boolean;
  /** Hosts may lose their disk, and come back as new nodes. */
  readonly canLoseDisks: boolean;
  /** Payloads in the log may rot. */
  readonly canRot: boolean;
  /** Whether nothing disturbs a healthy leader: pre-vote and check of the quorum are on. */
  readonly isCalm: boolean;
}

/** What a directed run sets, whatever the seed would draw. */
export type RaftOverrides = Partial<RaftKnobs>;

interface Shape {
  readonly voters: number;
  readonly witnesses: number;
  readonly learners: number;
  readonly spares: number;
}

/** Voters of a group; three are what most have. */
const VOTERS = [1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 7];

/** Draws what kind of cluster a seed has, and what may happen to it. */
export function drawKnobs(random: Random): RaftKnobs {
  const isCalm = random.chance(0.85);
  // Without pre-vote and the check of the quorum, removed nodes may disturb for ever.
  const canChangeMembers = isCalm && random.chance(0.6);
  const shape = drawShape(random.split("shape"), canChangeMembers);
  const plan = drawPlan(random.split("plan"));
  const isFar = (plan.network.link.delayMeanMs ?? 0) > 5;
  const tickMs = isFar ? 50 : pick(random, [10, 20, 20, 50]);
  return {
    ...membersOf(shape),
    plan,
    tickMs,
    settings: drawSettings(random.split("settings"), isCalm),
    machine: random.chance(0.5) ? "memory" : "durable",
    snapshotEntries: pick(random, [5, 20, 50, 1000]),
    keptEntries: pick(random, [0, 3, 20]),
    segmentBytes: pick(random, [1 << 14, 1 << 15, 1 << 16]),
    safetyMs: tickMs * pick(random, [200, 400, 600]),
    keys: ["x", "y", "z"].slice(0, 1 + random.below(3)),
    thinkMs: tickMs * pick(random, [1, 3, 10]),
    readShare: pick(random, [0.2, 0.5, 0.8]),
    canChangeMembers,
    canTransfer: random.chance(0.4),
    canLoseDisks: canChangeMembers && plan !== NO_FAULTS && random.chance(0.5),
    canRot: false, // by request only, so far: a log that lost its tail cannot be told from a torn one
    isCalm,
  };
}

/** One in ten has no faults; the others a subset, each with an intensity of its own. */
function drawPlan(random: Random): FaultPlan {
  const plan = drawFaultPlan(random, {
    canBreakConnections: random.chance(0.4),
    canFailDisks: random.chance(0.5),
  });
  if (plan === NO_FAULTS) return plan;
  const { calls } = plan.disk;
  // A disk whose every call takes a second is worth a fault of its own, not a whole run.
  const latencyMeanMicros = Math.min(calls.latencyMeanMicros ?? 0, 20_000);
  const latencyMinMicros = Math.min(calls.latencyMinMicros ?? 0, 5000);
  return {
    ...plan,
    disk: {
      ...plan.disk,
      calls: { ...calls, latencyMeanMicros, latencyMinMicros, stallMaxMicros: 3_000_000 },
    },
  };
}

function drawShape(random: Random, canChangeMembers: boolean): Shape {
  const voters = pick(random, VOTERS);
  const isWitnessed = voters === 2 || (voters >= 3 && random.chance(0.15));
  return {
    voters: voters === 2 ? 3 : voters,
    witnesses: isWitnessed ? 1 : 0,
    learners: random.chance(0.3) ? 1 + random.below(2) : 0,
    spares: canChangeMembers ? 1 + random.below(2) : 0,
  };
}

function membersOf({ voters, witnesses, learners, spares }: Shape): {
  founders: ConfigurationInput;
  hostCount: number;
  witnessHosts: number[];
} {
  const numbers = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, at) => from + at);
  const witnessHosts = numbers(voters - witnesses + 1, witnesses);
  return {
    founders: {
      incoming: numbers(1, voters),
      learners: numbers(voters + 1, learners),
      witnesses: witnessHosts,
    },
    hostCount: voters + learners + spares,
    witnessHosts,
  };
}

/** Small limits, so that they are met. */
function drawSettings(random: Random, isCalm: boolean): Partial<RaftSettings> {
  const isUncalm = !isCalm;
  return {
    electionTicksMin: 10,
    electionTicksMax: pick(random, [20, 30]),
    heartbeatTicks: pick(random, [1, 3, 5]),
    preVote: isUncalm ? random.chance(0.3) : true,
    checkQuorum: isUncalm ? random.chance(0.3) : true,
    messageMaxBytes: pick(random, [1, 100, 1 << 20]),
    inflightMessagesMax: pick(random, [1, 2, 8, 64]),
    applyMaxBytes: pick(random, [1, 1000, 1 << 23]),
    cacheMaxBytes: pick(random, [0, 200, 1 << 24]),
    snapshotChunkBytes: pick(random, [16, 100, 1 << 18]),
    snapshotRetryTicks: pick(random, [5, 30]),
    quietAfterTicks: random.chance(0.2) ? 10 : 0,
  };
}
