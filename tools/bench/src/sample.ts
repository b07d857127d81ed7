/** What one run of a contender measured. */
export interface Sample {
  /** In the unit of the measure. */
  readonly value: number;
  /** Processor time of whoever did the work, all threads, per operation. */
  readonly cpuMicrosPerOp?: number;
  /** Latency in milliseconds that half of the operations kept. */
  readonly p50?: number;
  /** Latency in milliseconds that 99 of 100 operations kept. */
  readonly p99?: number;
  /** Least and greatest within this sample, where one long sample stands for several. */
  readonly spread?: readonly [low: number, high: number];
}
