/** The result of a scenario while it grows. */
export interface Tally {
  rounds: number;
  /** Batches whose answers were seen. */
  acknowledged: number;
  readonly violations: string[];
  /** What happened how often. */
  readonly counts: Record<string, number>;
}

export function emptyTally(): Tally {
  return { rounds: 0, acknowledged: 0, violations: [], counts: {} };
}

export function note({ counts }: Tally, name: string, count = 1): void {
  counts[name] = (counts[name] ?? 0) + count;
}
