import { KvsError, type Random } from "@kvs/env";

import {
  type DiskContext,
  type DiskFaultKind,
  type DiskOperation,
  type DiskVerdict,
} from "./disk-faults.ts";
import { diskError } from "./disk-error.ts";
import { type FileState } from "./file-state.ts";
import { type StorageState } from "./storage-state.ts";
import { VerdictSource } from "./verdict.ts";

/** How often a call captures its first part early, where calls take time at all. */
const EARLY_CHANCE = 0.5;

/** One call of the port, as the pipeline handles it. */
export interface DiskRequest<T> {
  readonly operation: DiskOperation;
  readonly path: string;
  readonly position?: number;
  readonly bytes?: number;
  /**
   * What the call may do to a disk although nobody was answered: on a crash image's copy all of
   * it, as pending changes; at the death of the process, with `random`, perhaps only a part.
   */
  effect?(state: StorageState, random?: Random): void;
  /** Does a drawn first part of the work, at a drawn moment before the answer. */
  early?(random: Random): void;
  /** Does the rest and answers. Runs once, at the end of the call. */
  run(verdict: DiskVerdict | undefined): T;
}

/** What happened on a host's disk so far, over all processes. */
export interface DiskStats {
  readonly calls: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly syncs: number;
  /** Faults that took effect, by kind. */
  readonly faults: ReadonlyMap<DiskFaultKind, number>;
}

/** {@link DiskStats} as they are counted. */
export class DiskCounters implements DiskStats {
  calls = 0;
  bytesRead = 0;
  bytesWritten = 0;
  syncs = 0;
  readonly faults: Map<DiskFaultKind, number> = new Map();

  countFault(kind: DiskFaultKind): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }
}

/**
 * One life of a process, from attaching to the disk to its death: its calls under way, its open
 * files.
 *
 * A call passes these steps; between any two, the process may die:
 *
 * 1. It is registered as under way: crash images may hold its effect from here on.
 * 2. The context's `onCall` is asked what shall become of it, or the plan's dice are.
 * 3. Perhaps, at a drawn moment, its first part happens (`early`).
 * 4. After its latency the rest happens and it is answered (`run`).
 */
export class DiskProcess {
  readonly processId: number;
  readonly context: DiskContext;
  readonly state: StorageState;
  readonly verdicts: VerdictSource;
  readonly counters: DiskCounters;
  readonly openFiles: FileState[] = [];
  readonly #underWay: Set<DiskRequest<unknown>> = new Set();
  #calls = 0;
  #isDead = false;

  constructor(
    processId: number,
    context: DiskContext,
    state: StorageState,
    counters: DiskCounters,
  ) {
    this.processId = processId;
    this.context = context;
    this.state = state;
    this.counters = counters;
    this.verdicts = new VerdictSource(context.plan, context.random);
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Starts a call. Its promise never settles if the process dies first. */
  perform<T>(request: DiskRequest<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#isDead) return;
      this.#underWay.add(request);
      const verdict = this.#consult(request);
      if (this.#isDead || verdict?.type === "halt") return;
      const settle = (): void => {
        if (this.#isDead) return;
        this.#underWay.delete(request);
        try {
          resolve(request.run(verdict));
        } catch (error) {
          reject(error);
        }
      };
      this.#schedule(request, verdict, settle);
    });
  }

  /**
   * A call answered at once.
   *
   * @throws {KvsError} `DISK_IO` also for a call that would never be answered.
   */
  performNow<T>(request: DiskRequest<T>): T {
    if (this.#isDead) throw diskError("DISK_IO", request.path);
    const verdict = this.#consult(request);
    if (this.#isDead || verdict?.type === "halt") throw diskError("DISK_IO", request.path);
    return request.run(verdict);
  }

  count(kind: DiskFaultKind): void {
    this.counters.countFault(kind);
    this.context.countFault?.(kind);
  }

  /** Puts the effect of every call under way into `state`, a copy: whole, as pending changes. */
  applyUnderWay(state: StorageState): void {
    for (const request of this.#underWay) takeEffect(request, state, undefined);
  }

  /** Ends this life. Calls under way take effect or do not, as `random` decides. */
  die(random: Random): void {
    if (this.#isDead) return;
    this.#isDead = true;
    for (const request of this.#underWay) {
      if (random.chance(0.5)) takeEffect(request, this.state, random);
    }
    this.#underWay.clear();
    for (const file of this.openFiles) file.handles -= 1;
    this.openFiles.length = 0;
  }

  #consult(request: DiskRequest<unknown>): DiskVerdict | undefined {
    const index = this.#calls;
    this.#calls += 1;
    this.counters.calls += 1;
    const { operation, path, position, bytes } = request;
    if (this.context.onCall !== undefined) {
      const verdict = this.context.onCall({
        index,
        operation,
        path,
        ...(position === undefined ? {} : { position }),
        ...(bytes === undefined ? {} : { bytes }),
      });
      if (verdict !== undefined) return verdict;
    }
    return this.verdicts.draw(operation, bytes ?? 0);
  }

  #schedule(
    request: DiskRequest<unknown>,
    verdict: DiskVerdict | undefined,
    settle: () => void,
  ): void {
    const { micros, stallMicros } = this.verdicts.drawDelay();
    const delay = micros + (verdict?.type === "delay" ? verdict.micros : 0);
    if (stallMicros > 0 || verdict?.type === "delay") this.count("disk.stall");
    const random = this.verdicts.stream("early");
    if (delay === 0 || request.early === undefined || !random.chance(EARLY_CHANCE)) {
      this.context.after(delay, settle);
      return;
    }
    const earlyAt = Math.floor(random.nextFloat() * delay);
    this.context.after(earlyAt, () => {
      if (this.#isDead) return;
      request.early!(random);
      this.context.after(delay - earlyAt, settle);
    });
  }
}

/** What a failing call would have answered is nobody's concern: nobody waits for it any more. */
function takeEffect(
  request: DiskRequest<unknown>,
  state: StorageState,
  random: Random | undefined,
): void {
  try {
    request.effect?.(state, random);
  } catch (error) {
    if (!(error instanceof KvsError)) throw error;
  }
}
