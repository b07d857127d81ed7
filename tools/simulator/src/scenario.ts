/** A whole system in a simulated world, with a workload, faults and checks. */
export interface Scenario {
  readonly name: string;
  /** One line for `--scenario list`. */
  readonly description: string;
  /** Built-in sabotages, each of which a run over some seeds must catch. */
  readonly mutants: readonly string[];
  /** Every kind of fault that this scenario makes, so that a kind that never came shows as 0. */
  readonly faultKinds: readonly string[];
  /**
   * Runs one seed to its end: the same seed and mutant give the same result, bit for bit, on every
   * machine. At most 10 s of wall time.
   */
  run(seed: number, options: SeedOptions): Promise<SeedResult>;
}

export interface SeedOptions {
  /** The sabotage that is switched on; one of the scenario's. */
  readonly mutant?: string;
  /** Collect the history of operations, as lines of JSON. */
  readonly wantsHistory?: boolean;
  /** Collect the trace of events, as lines of JSON. */
  readonly wantsTrace?: boolean;
}

/**
 * Kinds of faults that count power cuts which did not happen: images that were taken of a disk at
 * one of its calls, and compared with what must survive. Of images with the same content one is
 * recovered.
 */
export const CRASH_POINTS = "crash.point";
/** Those of them that cut a recovery short. */
export const CRASH_POINTS_IN_RECOVERY = "crash.point-in-recovery";
/** Those that differed and were recovered. */
export const CRASH_IMAGES = "crash.image-recovered";

/** How often something happened, by name. */
export type Counts = ReadonlyMap<string, number>;

/** What one seed did. */
export interface SeedResult {
  /** What went wrong, a sentence each; empty if all is well. */
  readonly violations: readonly string[];
  readonly simulatedSeconds: number;
  /** Operations of clients that were invoked, whatever became of them. */
  readonly operations: number;
  readonly faults: Counts;
  /** Rare states that were reached. */
  readonly probes: Counts;
  /** Rare branches that were taken, by site; 0 for a site that was asked and stayed off. */
  readonly buggifySites: Counts;
  /** Folds every event of the run: two runs of one seed have the same 16 hexadecimal digits. */
  readonly hash: string;
  /** Lines of JSON without line ends, if they were wanted. */
  readonly history?: readonly string[];
  readonly trace?: readonly string[];
}
