import { monitorEventLoopDelay } from "node:perf_hooks";
import { type ProbeReading } from "./probe-reading.ts";

/** How often the probe's timer is meant to fire. The histogram counts from one firing to the next. */
const RESOLUTION_MS = 2;
const NS_PER_MS = 1e6;

// Loaded into the server with `--import`: it asks nothing of the server, and the server knows
// nothing of it.
const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();
process.on("message", () => {
  const reading: ProbeReading = {
    loopDelayMaxMs: Math.max(0, delays.max / NS_PER_MS - RESOLUTION_MS),
    rssMaxMb: process.resourceUsage().maxRSS / 1024,
  };
  delays.reset();
  process.send!(reading);
});
process.channel!.unref();
