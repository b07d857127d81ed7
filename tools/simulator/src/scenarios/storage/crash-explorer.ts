import { type Environment, type Random, assert, createRandom } from "@kvs/env";
import { BlockHashes, type DiskCall, InstantWorld, SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { StorageViolation } from "./audit.ts";
import { ChangeWatch } from "./change-watch.ts";
import { HotCopies } from "./hot-copies.ts";
import { type LifeHooks, MAIN } from "./modelled-store.ts";
import { recover } from "./recover.ts";
import { type Allowance, StoreModel } from "./store-model.ts";

/** What runs on the disk that crashes. */
export interface CrashSubject {
  readonly store: StoreOptions;
  /**
   * The same every time.
   *
   * @param more Other options of the store than `store` has.
   */
  run(
    environment: Environment,
    model: StoreModel,
    hooks: LifeHooks,
    more?: Partial<StoreOptions>,
  ): Promise<{ readonly operations: number }>;
}

export interface CrashOptions {
  /** Default: `createRandom(1)`. */
  readonly random?: Random;
  readonly mutants?: readonly string[];
  /** Crash at so many disk calls, drawn, and not at each. */
  readonly callsMax?: number;
  /** Stop after so many recoveries. */
  readonly recoveriesMax?: number;
  /** Images of a power cut at one moment. */
  images(storage: SimStorage, random: Random): Iterable<SimStorage>;
  /** Whether the recovery of this image is crashed too, at each of its disk calls. */
  crashesRecovery?(random: Random, report: CrashReport): boolean;
  /** Crash such a recovery at about this share of its disk calls only, in runs. Default: at all. */
  readonly recoveryShare?: number;
  /** Images of a power cut at one moment of a recovery; default: the extremes and a drawn one. */
  imagesOfRecovery?(storage: SimStorage, random: Random): Iterable<SimStorage>;
}

/** What an exploration did. */
export interface CrashReport {
  readonly operations: number;
  /** Disk calls of the subject, at each of which it crashed. */
  diskCalls: number;
  /** Images of power cuts, each compared with the model. */
  images: number;
  /** Those of them that differ, each recovered. */
  recoveries: number;
  /** Power cuts during recovery, each followed by another recovery. */
  recoveryCrashes: number;
  /** What went wrong; the first few. */
  readonly violations: string[];
}

/** Disk calls whose images are kept in memory at a time. */
const CALLS_PER_RUN = 64;
/**
 * Drawn calls come in runs of so many, in recoveries as well: what is written in one go is crashed at
 * every step, and neighbours have most of their images in common.
 */
const NEIGHBOURS = 20;
/** An exploration that found so much need not go on. */
const VIOLATIONS_MAX = 5;
/** One recovery in so many is looked at from all sides; the others are read once, in order. */
const AUDIT_EVERY = 16;

interface RecoveryOptions {
  readonly allowed: Allowance;
  readonly crashed?: (storage: SimStorage) => void;
}

/** A moment at which the power may fail. */
interface CrashPoint {
  readonly call: DiskCall;
  readonly allowed: Allowance;
  readonly images: readonly SimStorage[];
}

interface CollectedPoints {
  readonly points: readonly CrashPoint[];
  readonly model: StoreModel;
  /** Disk calls of the whole run. */
  readonly calls: number;
}

/**
 * Crashes a subject at each of its disk calls, recovers what each crash left, and compares it with
 * the model; crashes recoveries, too, and recovers again.
 *
 * The subject runs several times, the same way, so that only some of its images are in memory.
 */
export function exploreCrashes(subject: CrashSubject, options: CrashOptions): Promise<CrashReport> {
  return new CrashExplorer(subject, options).run();
}

class CrashExplorer {
  readonly #subject: CrashSubject;
  readonly #options: CrashOptions;
  readonly #random: Random;
  readonly #hashes = new BlockHashes();
  /** By fingerprint of an image: the batch up to which it holds all. */
  readonly #known = new Map<string, number>();
  /** Calls to crash at, where that is not each; never more than one run of the subject takes. */
  #drawn: ReadonlySet<number> | undefined;
  /** Calls of this recovery that are left of a run. */
  #dueInRecovery = 0;
  readonly #report: CrashReport & { operations: number } = {
    operations: 0,
    diskCalls: 0,
    images: 0,
    recoveries: 0,
    recoveryCrashes: 0,
    violations: [],
  };

  constructor(subject: CrashSubject, options: CrashOptions) {
    this.#subject = subject;
    this.#options = options;
    this.#random = options.random ?? createRandom(1);
  }

  async run(): Promise<CrashReport> {
    for (let from = 0; ; from += CALLS_PER_RUN) {
      const collected = await this.#collectDrawn(from).catch((error: unknown) => text(error));
      if (typeof collected === "string") {
        this.#report.violations.push(`without a crash: ${collected}`);
        return this.#report;
      }
      const { points, model, calls } = collected;
      this.#report.diskCalls = calls;
      for (const point of points) {
        await this.#check(point, model);
        if (this.#isEnough()) return this.#report;
      }
      if (this.#drawn !== undefined || from + CALLS_PER_RUN >= calls) return this.#report;
    }
  }

  /** Draws first where to crash, if that is not everywhere. */
  async #collectDrawn(from: number): Promise<CollectedPoints> {
    const { callsMax } = this.#options;
    if (callsMax !== undefined) {
      assert(callsMax <= CALLS_PER_RUN, "drawn calls are taken in one run");
      this.#drawn = new Set();
      const { calls } = await this.#collect(from);
      this.#drawn = this.#drawCalls(calls, callsMax);
    }
    return this.#collect(from);
  }

  /** Runs of neighbours, some of them, spread over all calls. */
  #drawCalls(calls: number, callsMax: number): ReadonlySet<number> {
    const random = this.#random.split("calls");
    const drawn = new Set<number>();
    while (drawn.size < Math.min(callsMax, calls)) {
      const first = random.below(calls);
      for (let call = first; call < Math.min(calls, first + NEIGHBOURS); call++) {
        if (drawn.size < callsMax) drawn.add(call);
      }
    }
    return drawn;
  }

  /** Runs the subject once and takes the images of some of its disk calls. */
  async #collect(from: number): Promise<CollectedPoints> {
    const storage = new SimStorage({ random: createRandom(1) });
    const model = new StoreModel(MAIN);
    const points: CrashPoint[] = [];
    const watch = new ChangeWatch(storage);
    const random = this.#random.split(`images-${from}`);
    let calls = 0;
    const onCall = (call: DiskCall): undefined => {
      const hasChanged = watch.note(call);
      const isDue = this.#drawn?.has(calls) ?? (calls >= from && calls < from + CALLS_PER_RUN);
      calls++;
      if (!isDue) return;
      const allowed = model.allowance();
      const before = points.at(-1);
      if (before === undefined || hasChanged || this.#drawn !== undefined) {
        points.push({ call, allowed, images: [...this.#options.images(storage, random)] });
      } else if (before.allowed.acknowledged < allowed.acknowledged) {
        points.push({ call, allowed, images: before.images });
      }
    };
    const { mutants = [] } = this.#options;
    const world = new InstantWorld(storage, { answers: "in-turn", mutants, disk: { onCall } });
    const copies = new HotCopies({ model, store: this.#subject.store, mutants });
    const { operations } = await world.run((environment) =>
      this.#subject.run(environment, model, { copies }),
    );
    const [violation] = await copies.violations();
    if (violation !== undefined) throw new StorageViolation(violation);
    this.#report.operations = operations;
    return { points, model, calls };
  }

  async #check({ call, allowed, images }: CrashPoint, model: StoreModel): Promise<void> {
    for (const image of images) {
      this.#report.images++;
      const fingerprint = image.fingerprint(this.#hashes);
      const known = this.#known.get(fingerprint);
      if (known !== undefined && known >= allowed.acknowledged && known <= allowed.submitted) {
        continue;
      }
      try {
        this.#known.set(fingerprint, await this.#recover(image, model, allowed));
      } catch (error) {
        const { index, operation, path } = call;
        this.#report.violations.push(
          `crash at call ${index}, ${operation} ${path}: ${text(error)}`,
        );
      }
      if (this.#isEnough()) return;
    }
  }

  #isEnough(): boolean {
    const { violations, recoveries } = this.#report;
    if (violations.length >= VIOLATIONS_MAX) return true;
    return recoveries >= (this.#options.recoveriesMax ?? Infinity);
  }

  /** Recovers an image; perhaps crashes that, and recovers again. */
  async #recover(image: SimStorage, model: StoreModel, allowed: Allowance): Promise<number> {
    this.#dueInRecovery = 0;
    const isCrashed = this.#options.crashesRecovery?.(this.#random, this.#report) ?? false;
    const again: SimStorage[] = [];
    const batch = await this.#recoverOnce(image.clone(), model, {
      allowed,
      ...(isCrashed ? { crashed: (storage) => this.#takeImagesOfRecovery(storage, again) } : {}),
    });
    for (const crashed of again) {
      this.#report.recoveryCrashes++;
      const fingerprint = crashed.fingerprint(this.#hashes);
      if (this.#known.get(fingerprint) === batch) continue;
      const same = { acknowledged: batch, submitted: batch };
      try {
        this.#known.set(fingerprint, await this.#recoverOnce(crashed, model, { allowed: same }));
      } catch (error) {
        throw new StorageViolation(`crashed again in recovery: ${text(error)}`, { cause: error });
      }
    }
    return batch;
  }

  #takeImagesOfRecovery(storage: SimStorage, into: SimStorage[]): void {
    const { recoveryShare } = this.#options;
    if (recoveryShare !== undefined && this.#dueInRecovery-- <= 0) {
      if (!this.#random.chance(recoveryShare / NEIGHBOURS)) return;
      this.#dueInRecovery = NEIGHBOURS - 1;
    }
    into.push(...this.#imagesOfRecovery(storage));
  }

  /** Images of a power cut during recovery: the worst case, all kept, and a drawn one, or others. */
  #imagesOfRecovery(storage: SimStorage): Iterable<SimStorage> {
    const images = this.#options.imagesOfRecovery?.(storage, this.#random);
    if (images !== undefined) return images;
    const modes = ["worst-case", "keep-all", undefined] as const;
    return modes.map((mode) => storage.sampleCrashImage(this.#random, mode));
  }

  #recoverOnce(storage: SimStorage, model: StoreModel, recovery: RecoveryOptions): Promise<number> {
    this.#report.recoveries++;
    const isThorough = this.#report.recoveries % AUDIT_EVERY === 0;
    const { mutants = [] } = this.#options;
    const { store } = this.#subject;
    return recover(storage, model, {
      store,
      mutants,
      isThorough,
      random: this.#random,
      ...recovery,
    });
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
