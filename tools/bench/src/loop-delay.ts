import { monitorEventLoopDelay } from "node:perf_hooks";

/** How often its timer is meant to fire. The histogram counts from one firing to the next. */
const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

/** How late the event loop came to a timer that was due. */
export interface LoopDelay {
  /** What 999 of 1,000 firings kept. */
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Watches the event loop of this process, without running any code on it. */
export class LoopDelayWatch {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.#histogram.enable();
  }

  /** Ends the watch. */
  stop(): LoopDelay {
    this.#histogram.disable();
    return {
      p999Ms: delayOf(this.#histogram.percentile(99.9)),
      maxMs: delayOf(this.#histogram.max),
    };
  }
}

function delayOf(intervalNs: number): number {
  return Math.max(0, intervalNs / NS_PER_MS - RESOLUTION_MS);
}
