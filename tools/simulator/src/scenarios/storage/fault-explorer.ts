import { type Environment, createRandom, isKvsError } from "@kvs/env";
import { type DiskCall, type DiskVerdict, InstantWorld, SimStorage } from "@kvs/sim";
import { Store } from "@kvs/txn";
import { StorageViolation, auditStore, auditStructure, findState, readContent } from "./audit.ts";
import { MAIN } from "./modelled-store.ts";
import { type CrashSubject } from "./crash-explorer.ts";
import { StoreModel } from "./store-model.ts";

/** A way for a disk call to fail. */
export type FaultName = "error" | "full" | "short";

export interface FaultOptions {
  readonly faults: readonly FaultName[];
  /** Whether every later call fails as well, as far as it can in this way. */
  readonly isLasting: boolean;
  /** Every so many-th call; default: each. */
  readonly stride?: number;
  readonly mutants?: readonly string[];
}

/** What an exploration did. */
export interface FaultReport {
  diskCalls: number;
  /** Runs of the subject, each with a fault. */
  runs: number;
  /** Faults that changed what a call answered. */
  faults: number;
  /** Runs in which an operation failed. */
  failedRuns: number;
  readonly violations: string[];
}

const VIOLATIONS_MAX = 5;
/** A run that takes more turns goes round in circles. */
const TURNS_MAX = 200_000;

/**
 * Lets each disk call of a subject fail, once or from then on. What the store answers must stay
 * right, whatever fails must fail with a code, and what it said must hold: when the disk is well
 * again, the next open finds every answered batch, and none of those that were refused.
 *
 * Source: SQLite's tests of I/O errors, which count through the calls in the same way.
 */
export async function exploreFaults(
  subject: CrashSubject,
  options: FaultOptions,
): Promise<FaultReport> {
  const report: FaultReport = { diskCalls: 0, runs: 0, faults: 0, failedRuns: 0, violations: [] };
  const calls = await listCalls(subject);
  report.diskCalls = calls.length;
  for (let at = 0; at < calls.length; at += options.stride ?? 1) {
    for (const fault of options.faults) {
      if (verdictOf(fault, calls[at]!) === undefined) continue;
      report.runs++;
      try {
        await new FaultRun(subject, options, report, { fault, at }).run();
      } catch (error) {
        const { operation, path } = calls[at]!;
        const message = error instanceof Error ? error.message : String(error);
        report.violations.push(`${fault} at call ${at}, ${operation} ${path}: ${message}`);
        if (report.violations.length >= VIOLATIONS_MAX) return report;
      }
    }
  }
  return report;
}

async function listCalls(subject: CrashSubject): Promise<DiskCall[]> {
  const calls: DiskCall[] = [];
  const onCall = (call: DiskCall): undefined => void calls.push(call);
  const world = new InstantWorld(newStorage(), { answers: "in-turn", disk: { onCall } });
  await world.run((environment) => subject.run(environment, new StoreModel(MAIN), {}));
  return calls;
}

function newStorage(): SimStorage {
  return new SimStorage({ random: createRandom(1) });
}

class FaultRun {
  readonly #subject: CrashSubject;
  readonly #options: FaultOptions;
  readonly #report: FaultReport;
  readonly #fault: FaultName;
  readonly #at: number;
  readonly #storage = newStorage();
  readonly #model = new StoreModel(MAIN);
  #isBroken = true;
  #hasFailed = false;

  constructor(
    subject: CrashSubject,
    options: FaultOptions,
    report: FaultReport,
    place: { readonly fault: FaultName; readonly at: number },
  ) {
    this.#subject = subject;
    this.#options = options;
    this.#report = report;
    this.#fault = place.fault;
    this.#at = place.at;
  }

  async run(): Promise<void> {
    const { mutants = [] } = this.#options;
    const onCall = (call: DiskCall): DiskVerdict | undefined => this.#verdict(call);
    const world = new InstantWorld(this.#storage, {
      answers: "in-turn",
      turnsMax: TURNS_MAX,
      mutants,
      disk: { onCall },
    });
    await world.run((environment) => this.#live(environment));
    if (this.#hasFailed) this.#report.failedRuns++;
    this.#isBroken = false;
    this.#storage.processDied();
    const next = new InstantWorld(this.#storage, { turnsMax: TURNS_MAX, mutants });
    await next.run((environment) => this.#audit(environment));
  }

  #verdict(call: DiskCall): DiskVerdict | undefined {
    const isDue = this.#options.isLasting ? call.index >= this.#at : call.index === this.#at;
    if (!this.#isBroken || !isDue) return undefined;
    const verdict = verdictOf(this.#fault, call);
    if (verdict !== undefined) this.#report.faults++;
    return verdict;
  }

  async #live(environment: Environment): Promise<void> {
    await this.#subject.run(environment, this.#model, {
      onFailed: async (error, store) => {
        if (!isKvsError(error)) throw error;
        this.#hasFailed = true;
        if (store !== undefined) await this.#read(store);
        return "go-on";
      },
    });
  }

  /** Reads everything: what is answered must be right. Batches may be under way. */
  async #read(store: Store): Promise<void> {
    const { acknowledged } = this.#model;
    try {
      const content = await readContent(store);
      findState(content, this.#model, { acknowledged, submitted: this.#model.submitted });
    } catch (error) {
      if (!isKvsError(error)) throw error;
    }
  }

  async #audit(environment: Environment): Promise<void> {
    const store = await Store.open(environment, this.#subject.store);
    const batch = await auditStore(store, this.#model);
    this.#model.settle(batch);
    const key = new Uint8Array([1]);
    const value = new Uint8Array([2]);
    await store.batch([{ type: "put", key, value }]);
    if ((await store.get(key))?.[0] !== 2) throw new StorageViolation("a store lost a new row");
    await auditStructure(store);
    await store.close();
  }
}

/** What becomes of such a call; `undefined` if it cannot fail in this way. */
function verdictOf(fault: FaultName, { operation, bytes = 0 }: DiskCall): DiskVerdict | undefined {
  switch (fault) {
    case "error":
      if (UNFAILING.has(operation)) return undefined;
      return { type: "error", code: "DISK_IO" };
    case "full":
      return GROWING.has(operation) ? { type: "error", code: "DISK_FULL" } : undefined;
    case "short": {
      const isPart =
        operation === "readAt" || operation === "readAtSync" || operation === "writeAt";
      return isPart && bytes > 1 ? { type: "short", bytes: bytes >>> 1 } : undefined;
    }
    default:
      return fault satisfies never;
  }
}

/** Calls that the model of a disk never fails. */
const UNFAILING: ReadonlySet<string> = new Set(["size", "space", "unlock", "close"]);
/** Calls that may need space. */
const GROWING: ReadonlySet<string> = new Set([
  "open",
  "lock",
  "makeDirectory",
  "writeAt",
  "writeDurableAt",
  "allocate",
]);
