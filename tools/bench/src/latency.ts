import { type Histogram, build } from "hdr-histogram-js";

/** 100 ns: finer than any latency a caller can tell apart from the clock's own cost. */
const TICKS_PER_MS = 10_000;
/** One minute; longer latencies are counted as this. Below 2^31 ticks, where recording is cheap. */
const LATENCY_MAX_TICKS = 60_000 * TICKS_PER_MS;

/** Latencies of one sample, in buckets of three significant digits. */
export class LatencyRecorder {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    autoResize: false,
    lowestDiscernibleValue: 1,
    highestTrackableValue: LATENCY_MAX_TICKS,
    numberOfSignificantValueDigits: 3,
  });

  get count(): number {
    return this.#histogram.totalCount;
  }

  /** Notes one latency. Cost: about 20 ns. */
  record(latencyMs: number): void {
    const ticks = Math.round(latencyMs * TICKS_PER_MS);
    this.#histogram.recordValue(Math.min(Math.max(ticks, 1), LATENCY_MAX_TICKS));
  }

  /** The latency in milliseconds that `percent` of the operations kept; 0 if there was none. */
  percentileMs(percent: number): number {
    if (this.count === 0) return 0;
    return this.#histogram.getValueAtPercentile(percent) / TICKS_PER_MS;
  }
}
