import { assert } from "@kvs/env";

/** The wall time at which every simulation begins: 2026-01-01T00:00:00Z. */
export const SIM_EPOCH_MS = 1_767_225_600_000;

/** The farthest a host's oscillator may be off: 5 %, in parts per million. */
const CLOCK_DRIFT_PPM_MAX = 50_000;

/**
 * The hardware clocks of one host; they outlive its processes.
 *
 * The oscillator runs at `1 + drift` of true speed since the anchor, the last moment at which its
 * speed changed. Wall time is the oscillator plus an offset, which may jump.
 */
export class HostClock {
  #driftPpm: number;
  #anchorTrueMicros = 0;
  #anchorLocalMicros: number;
  #wallOffsetMs: number;
  #stoppedAtMicros: number | undefined;

  /** @param uptimeMicros What the monotonic clock shows at the beginning. */
  constructor(options: { offsetMs: number; driftPpm: number; uptimeMicros: number }) {
    this.#driftPpm = checkedDrift(options.driftPpm);
    this.#anchorLocalMicros = options.uptimeMicros;
    this.#wallOffsetMs = Math.round(options.offsetMs) - options.uptimeMicros / 1000;
  }

  get driftPpm(): number {
    return this.#driftPpm;
  }

  /** The oscillator's reading at a true moment. */
  localMicros(trueMicros: number): number {
    if (this.#stoppedAtMicros !== undefined) return this.#stoppedAtMicros;
    const elapsed = trueMicros - this.#anchorTrueMicros;
    return this.#anchorLocalMicros + elapsed * (1 + this.#driftPpm / 1e6);
  }

  /** The first true microsecond at which the oscillator shows `localMicros` or more. */
  trueMicros(localMicros: number): number {
    const elapsed = (localMicros - this.#anchorLocalMicros) / (1 + this.#driftPpm / 1e6);
    let found = Math.ceil(this.#anchorTrueMicros + elapsed);
    while (this.#stoppedAtMicros === undefined && this.localMicros(found) < localMicros) found++;
    return found;
  }

  wallMs(trueMicros: number): number {
    return SIM_EPOCH_MS + Math.floor(this.localMicros(trueMicros) / 1000 + this.#wallOffsetMs);
  }

  /** Moves wall time only. */
  jump(byMs: number): void {
    this.#wallOffsetMs += Math.round(byMs);
  }

  setDrift(driftPpm: number, trueMicros: number): void {
    this.#anchorLocalMicros = this.localMicros(trueMicros);
    this.#anchorTrueMicros = trueMicros;
    this.#driftPpm = checkedDrift(driftPpm);
  }

  /** Freezes the oscillator, as when a virtual machine is suspended. */
  stop(trueMicros: number): void {
    this.#stoppedAtMicros ??= this.localMicros(trueMicros);
  }

  /** Lets a stopped oscillator go on from where it stood. Wall time is set right at once. */
  resume(trueMicros: number): void {
    const stoppedAt = this.#stoppedAtMicros;
    if (stoppedAt === undefined) return;
    this.#stoppedAtMicros = undefined;
    this.#wallOffsetMs += Math.round((this.localMicros(trueMicros) - stoppedAt) / 1000);
    this.#anchorLocalMicros = stoppedAt;
    this.#anchorTrueMicros = trueMicros;
  }
}

function checkedDrift(driftPpm: number): number {
  assert(Math.abs(driftPpm) <= CLOCK_DRIFT_PPM_MAX, "a clock drifts by at most 5 %");
  return driftPpm;
}
