import { type Random } from "@kvs/env";

import { type DiskFaultPlan, type DiskOperation, type DiskVerdict } from "./disk-faults.ts";

const STALL_MICROS_DEFAULT = 30_000_000;

/** One fault a plan may draw for a kind of call. */
interface Drawing {
  readonly fault: keyof DiskFaultPlan;
  verdict(bytes: number, random: Random): DiskVerdict;
}

const error = (fault: keyof DiskFaultPlan, verdict: DiskVerdict): Drawing => ({
  fault,
  verdict: () => verdict,
});

const READ_ERROR = error("readError", { type: "error", code: "DISK_IO" });
const BAD_SECTOR = error("badSector", { type: "error", code: "DISK_IO", isSticky: true });
const BIT_FLIP = error("bitFlip", { type: "flip-bit" });
const NAME_ERROR = error("nameError", { type: "error", code: "DISK_IO" });
const FULL = error("full", { type: "error", code: "DISK_FULL" });
const WRITE_ERROR = error("writeError", { type: "error", code: "DISK_IO" });
const SYNC_FAILED = error("syncFailed", { type: "error", code: "DISK_SYNC_FAILED" });
const LOST_WRITE = error("lostWrite", { type: "lose", what: "page" });
const MISDIRECTED_WRITE = error("misdirectedWrite", { type: "misdirect" });
const TOO_MANY_FILES = error("tooManyFiles", { type: "error", code: "DISK_TOO_MANY_FILES" });
const SHORT_READ: Drawing = { fault: "shortRead", verdict: drawShort };
const SHORT_WRITE: Drawing = { fault: "shortWrite", verdict: drawShort };

const READS = [READ_ERROR, BAD_SECTOR, BIT_FLIP, SHORT_READ];
const NAMES = [NAME_ERROR];
const CREATES = [NAME_ERROR, FULL, TOO_MANY_FILES];
const NONE: readonly Drawing[] = [];

const DRAWINGS: Readonly<Record<DiskOperation, readonly Drawing[]>> = {
  open: CREATES,
  lock: CREATES,
  makeDirectory: [NAME_ERROR, FULL],
  rename: NAMES,
  unlink: NAMES,
  list: NAMES,
  removeDirectory: NAMES,
  stat: NAMES,
  syncDirectory: [SYNC_FAILED],
  readAt: READS,
  readAtSync: READS,
  writeAt: [WRITE_ERROR, FULL, SHORT_WRITE],
  writeDurableAt: [FULL, SYNC_FAILED, LOST_WRITE, MISDIRECTED_WRITE],
  datasync: [SYNC_FAILED, LOST_WRITE, MISDIRECTED_WRITE],
  allocate: [FULL, SYNC_FAILED],
  truncate: [WRITE_ERROR],
  unlock: NONE,
  size: NONE,
  space: NONE,
  close: NONE,
};

/**
 * Draws what becomes of calls. Every fault has a stream of its own, so that switching one off
 * leaves the others where they were.
 */
export class VerdictSource {
  readonly #plan: DiskFaultPlan | undefined;
  readonly #random: Random;
  readonly #streams: Map<string, Random> = new Map();

  constructor(plan: DiskFaultPlan | undefined, random: Random) {
    this.#plan = plan;
    this.#random = random;
  }

  draw(operation: DiskOperation, bytes: number): DiskVerdict | undefined {
    if (this.#plan === undefined) return undefined;
    for (const drawing of DRAWINGS[operation]) {
      const chance = this.#plan[drawing.fault] ?? 0;
      if (chance === 0) continue;
      const stream = this.stream(drawing.fault);
      if (stream.chance(chance)) return drawing.verdict(bytes, stream);
    }
    return undefined;
  }

  /** How long a call takes, and how much of that is a stall. */
  drawDelay(): { readonly micros: number; readonly stallMicros: number } {
    const plan = this.#plan;
    if (plan === undefined) return NO_DELAY;
    const mean = plan.latencyMeanMicros ?? 0;
    let micros = plan.latencyMinMicros ?? 0;
    if (mean > 0) micros += -Math.log(1 - this.stream("latency").nextFloat()) * mean;
    let stallMicros = 0;
    if ((plan.stall ?? 0) > 0) {
      const stream = this.stream("stall");
      if (stream.chance(plan.stall!)) {
        stallMicros = stream.below(plan.stallMaxMicros ?? STALL_MICROS_DEFAULT) + 1;
      }
    }
    return { micros: Math.floor(micros) + stallMicros, stallMicros };
  }

  stream(purpose: string): Random {
    let stream = this.#streams.get(purpose);
    if (stream === undefined) {
      stream = this.#random.split(`disk.${purpose}`);
      this.#streams.set(purpose, stream);
    }
    return stream;
  }
}

const NO_DELAY = { micros: 0, stallMicros: 0 };

function drawShort(bytes: number, random: Random): DiskVerdict {
  return { type: "short", bytes: 1 + random.below(Math.max(1, bytes)) };
}
