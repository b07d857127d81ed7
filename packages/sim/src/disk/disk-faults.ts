import { type DiskErrorCode, type Random, createRandom } from "@kvs/env";

/**
 * What a simulated disk may do to its user, by fixed names: fault plans switch them, reports count
 * them.
 *
 * At a power cut: how the image was drawn (`disk.crash-…`), and that a kept write was torn.
 * On a living disk: errors, short calls, stalls. At rest: damage that nobody reports.
 */
export type DiskFaultKind =
  | "disk.crash-worst-case"
  | "disk.crash-keep-all"
  | "disk.crash-prefix"
  | "disk.crash-subset"
  | "disk.crash-torn"
  | "disk.crash-size-without-data"
  | "disk.crash-garbage-after-end"
  | "disk.torn-sector"
  | "disk.torn-page"
  | "disk.eio-read"
  | "disk.eio-write"
  | "disk.eio-name"
  | "disk.full"
  | "disk.too-many-files"
  | "disk.sync-failed"
  | "disk.short-read"
  | "disk.short-write"
  | "disk.stall"
  | "disk.bit-flip"
  | "disk.lost-write"
  | "disk.misdirected-write"
  | "disk.zeroed-sector"
  | "disk.bad-sector"
  | "disk.truncated-file"
  | "disk.removed-file"
  | "disk.swapped-pages"
  | "disk.overwritten";

/** Probabilities are per call of the kind they concern, 0 to 1; all default to 0. */
export interface DiskFaultPlan {
  /** Every call takes this long at least, plus an exponential time of the mean. Default: 0. */
  readonly latencyMinMicros?: number;
  readonly latencyMeanMicros?: number;
  /** A call takes up to `stallMaxMicros` (default: 30 s) longer. */
  readonly stall?: number;
  readonly stallMaxMicros?: number;
  readonly shortRead?: number;
  readonly shortWrite?: number;
  /** A read fails once. */
  readonly readError?: number;
  /** A read fails, and so does every later one of its 4 KB page until it is written again. */
  readonly badSector?: number;
  /** A write fails; its range holds any mixture. */
  readonly writeError?: number;
  /** Opening, renaming, listing … fails without effect. */
  readonly nameError?: number;
  /** A write or allocation meets a full disk, for once. */
  readonly full?: number;
  /** Opening fails as if too many files were open, for once. */
  readonly tooManyFiles?: number;
  /** Files a process may have open. Default: no limit. */
  readonly openFilesMax?: number;
  readonly syncFailed?: number;
  /** A sync succeeds, but one of its pages keeps the old bytes. */
  readonly lostWrite?: number;
  /** As `lostWrite`, and another page, of this or another file, gets the new bytes. */
  readonly misdirectedWrite?: number;
  /** One bit changes for good in the range a read is about to answer. */
  readonly bitFlip?: number;
}

export type DiskOperation =
  | "open"
  | "rename"
  | "unlink"
  | "list"
  | "makeDirectory"
  | "removeDirectory"
  | "stat"
  | "syncDirectory"
  | "lock"
  | "unlock"
  | "space"
  | "size"
  | "readAt"
  | "readAtSync"
  | "writeAt"
  | "writeDurableAt"
  | "datasync"
  | "truncate"
  | "allocate"
  | "close";

/** A call that was just made and has had no effect yet. */
export interface DiskCall {
  /** 0 for the first call of this incarnation of the process. */
  readonly index: number;
  readonly operation: DiskOperation;
  readonly path: string;
  readonly position?: number;
  /** Length of the buffer, or of the range to allocate, or the new size for `truncate`. */
  readonly bytes?: number;
}

/**
 * What shall become of a call.
 *
 * - `error`: fails with this code, with the effects the contract allows such a failure: a failed
 *   write leaves a mixture, a failed sync poisons the file. `isSticky`: later reads fail too.
 * - `short`: a read or write handles only so many bytes.
 * - `halt`: never answers; whether it takes effect is drawn when the process dies.
 * - `delay`: takes so much longer.
 * - `lose`: a sync or durable write is answered, but the disk keeps the old bytes of one page, or
 *   of everything.
 * - `misdirect`: as `lose` for one page, and another page gets the new bytes.
 * - `flip-bit`: one bit of the range to read changes for good.
 */
export type DiskVerdict =
  | { readonly type: "error"; readonly code: DiskErrorCode; readonly isSticky?: boolean }
  | { readonly type: "short"; readonly bytes: number }
  | { readonly type: "halt" }
  | { readonly type: "delay"; readonly micros: number }
  | { readonly type: "lose"; readonly what: "page" | "all" }
  | { readonly type: "misdirect" }
  | { readonly type: "flip-bit" };

/** What surrounds one incarnation of a process: its time, its chance, its faults. */
export interface DiskContext {
  /**
   * Runs `action` after so many microseconds, never inside this call; not at all once the
   * incarnation is dead. Calls settle in the order this decides.
   */
  after(delayMicros: number, action: () => void): void;
  readonly random: Random;
  readonly plan?: DiskFaultPlan;
  /** Told of every fault that took effect, by its {@link DiskFaultKind}. */
  countFault?(kind: DiskFaultKind): void;
  /**
   * Asked before each call; the call counts as under way already, so a crash image taken here may
   * hold its effect. An answer replaces what the plan would have drawn.
   */
  onCall?(call: DiskCall): DiskVerdict | undefined;
}

/**
 * No scheduler: every call is answered in a later microtask, in the order made, as fast as the
 * host can.
 */
export function instantContext(
  random: Random = createRandom(0),
  extras: Omit<Partial<DiskContext>, "after" | "random"> = {},
): DiskContext {
  const now = Promise.resolve();
  return {
    ...extras,
    after: (_delayMicros, action) => void now.then(action),
    random,
  };
}

const MEAN_MICROS_MAX = 1_000_000;
const MIN_MICROS_MAX = 30_000;

/** The intensity of a fault that is on: rare enough that work goes on, by orders of magnitude. */
const INTENSITIES = [0.0005, 0.005, 0.05];

/**
 * Draws a plan for one run: each harmless fault (the contract allows it, nothing is lost) on with
 * probability 1/2; damage and failures that stop a node only if asked for.
 */
export function drawDiskFaultPlan(
  random: Random,
  options: { readonly canFail?: boolean; readonly canDamage?: boolean } = {},
): DiskFaultPlan {
  const maybe = (kind: string, isAllowed = true): number => {
    const stream = random.split(kind);
    const isOn = stream.chance(0.5);
    return isOn && isAllowed ? INTENSITIES[stream.below(INTENSITIES.length)]! : 0;
  };
  const latency = random.split("latency");
  const meanMagnitude = latency.nextFloat() * Math.log10(MEAN_MICROS_MAX);
  const canFail = options.canFail ?? false;
  const canDamage = options.canDamage ?? false;
  return {
    latencyMinMicros: latency.chance(0.5) ? latency.below(MIN_MICROS_MAX + 1) : 0,
    latencyMeanMicros: Math.floor(10 ** meanMagnitude),
    stall: maybe("stall") / 10,
    shortRead: maybe("short-read") * 10,
    shortWrite: maybe("short-write") * 10,
    readError: maybe("read-error", canFail) / 10,
    badSector: maybe("bad-sector", canDamage) / 10,
    writeError: maybe("write-error", canFail) / 10,
    nameError: maybe("name-error", canFail) / 10,
    full: maybe("full", canFail),
    tooManyFiles: maybe("too-many-files", canFail),
    syncFailed: maybe("sync-failed", canFail) / 10,
    lostWrite: maybe("lost-write", canDamage) / 10,
    misdirectedWrite: maybe("misdirected-write", canDamage) / 10,
    bitFlip: maybe("bit-flip", canDamage) / 10,
  };
}
