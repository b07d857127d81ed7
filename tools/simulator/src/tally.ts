import { type Counts, type SeedResult } from "./scenario.ts";

/** Failing seeds that are remembered by number; the rest is only counted. */
const FAILED_SEEDS_MAX = 100;

/** The closing line of `--json`, and what jobs hand to the process that started them. */
export interface Summary {
  readonly seeds: number;
  readonly violations: number;
  readonly simulatedSeconds: number;
  /** How long the run took by a clock on the wall: the one figure that differs between two runs. */
  readonly wallSeconds: number;
  readonly operations: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly probes: Readonly<Record<string, number>>;
  readonly buggifySites: Readonly<Record<string, number>>;
  /** The first hundred seeds that failed. */
  readonly failedSeeds: readonly number[];
  /** The trace hashes of all seeds, folded into one, whatever their order. */
  readonly hash: string;
}

/** Adds up the results of many seeds. */
export class Tally {
  readonly #faults = new Map<string, number>();
  readonly #probes = new Map<string, number>();
  readonly #buggifySites = new Map<string, number>();
  readonly #failedSeeds: number[] = [];
  #seeds = 0;
  #violations = 0;
  #simulatedSeconds = 0;
  #operations = 0;
  #hash = 0n;

  /** @param faultKinds Kinds that are reported even if they never came. */
  constructor(faultKinds: readonly string[]) {
    for (const kind of faultKinds) this.#faults.set(kind, 0);
  }

  get seeds(): number {
    return this.#seeds;
  }

  addSeed(seed: number, result: SeedResult): void {
    this.#seeds++;
    this.#violations += result.violations.length;
    this.#simulatedSeconds += result.simulatedSeconds;
    this.#operations += result.operations;
    this.#hash ^= BigInt(`0x${result.hash}`);
    addCounts(this.#faults, result.faults);
    addCounts(this.#probes, result.probes);
    addCounts(this.#buggifySites, result.buggifySites);
    if (result.violations.length > 0) this.#remember(seed);
  }

  /** Adds what another process counted. */
  addSummary(summary: Summary): void {
    this.#seeds += summary.seeds;
    this.#violations += summary.violations;
    this.#simulatedSeconds += summary.simulatedSeconds;
    this.#operations += summary.operations;
    this.#hash ^= BigInt(`0x${summary.hash}`);
    addCounts(this.#faults, new Map(Object.entries(summary.faults)));
    addCounts(this.#probes, new Map(Object.entries(summary.probes)));
    addCounts(this.#buggifySites, new Map(Object.entries(summary.buggifySites)));
    for (const seed of summary.failedSeeds) this.#remember(seed);
  }

  summary(wallSeconds: number): Summary {
    return {
      seeds: this.#seeds,
      violations: this.#violations,
      simulatedSeconds: Math.round(this.#simulatedSeconds * 1000) / 1000,
      wallSeconds: Math.round(wallSeconds),
      operations: this.#operations,
      faults: sortedRecord(this.#faults),
      probes: sortedRecord(this.#probes),
      buggifySites: sortedRecord(this.#buggifySites),
      failedSeeds: this.#failedSeeds.toSorted((left, right) => left - right),
      hash: this.#hash.toString(16).padStart(16, "0"),
    };
  }

  #remember(seed: number): void {
    if (this.#failedSeeds.length < FAILED_SEEDS_MAX) this.#failedSeeds.push(seed);
  }
}

function addCounts(target: Map<string, number>, counts: Counts): void {
  for (const [name, count] of counts) target.set(name, (target.get(name) ?? 0) + count);
}

function sortedRecord(counts: Counts): Record<string, number> {
  return Object.fromEntries([...counts].toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
