import { type Random, pick } from "@kvs/env";
import { type DiskFaultPlan, type LinkSettings } from "@kvs/sim";

/** Failures that a node must endure or end by. */
const FAILURES = [
  { writeError: 0.02 },
  { nameError: 0.01 },
  { syncFailed: 0.01 },
  { readError: 0.02 },
  { full: 0.05 },
  { tooManyFiles: 0.05 },
] as const satisfies readonly DiskFaultPlan[];

/** Damage that a node must notice, as far as anybody can. */
const DAMAGE = [
  { badSector: 0.02, bitFlip: 0.02 },
  { lostWrite: 0.03, misdirectedWrite: 0.15 },
] as const satisfies readonly DiskFaultPlan[];

/** Breaches of a connection's contract that a protocol must notice. */
const BREACHES = [
  { dropProbability: 0.03 },
  { duplicateProbability: 0.1 },
  { reorderProbability: 0.05 },
  { corruptProbability: 0.08 },
] as const satisfies readonly Partial<LinkSettings>[];

/** So slow that a fault often finds writes under way. */
const SLOW_DISK: DiskFaultPlan = { latencyMeanMicros: 40_000 };

/** What a seed has more of than its plan: a drawn plan meets some kinds too seldom to count on. */
export interface Emphasis {
  readonly latency: DiskFaultPlan;
  readonly failure: DiskFaultPlan;
  readonly damage: DiskFaultPlan;
  readonly breach: Partial<LinkSettings>;
}

/** Links that keep the contract. */
export const HONEST_LINK: Partial<LinkSettings> = {
  dropProbability: 0,
  duplicateProbability: 0,
  reorderProbability: 0,
  corruptProbability: 0,
};

export function drawEmphasis(random: Random): Emphasis {
  return {
    latency: random.chance(0.4) ? SLOW_DISK : {},
    failure: random.chance(0.8) ? pick(random, FAILURES) : {},
    damage: pick(random, DAMAGE),
    breach: pick(random, BREACHES),
  };
}

/** Only what a disk's contract allows: nothing stored changes. */
const HONEST_DISK: DiskFaultPlan = { badSector: 0, bitFlip: 0, lostWrite: 0, misdirectedWrite: 0 };

/** How the calls of one node's disk behave. */
export function callsOf(plan: DiskFaultPlan, emphasis: Emphasis, isVictim: boolean): DiskFaultPlan {
  const { latency, failure, damage } = emphasis;
  return { ...plan, ...latency, ...failure, ...(isVictim ? damage : HONEST_DISK) };
}
