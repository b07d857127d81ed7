import { type Random, isKvsError } from "@kvs/env";
import { type SimStorage } from "@kvs/sim";
import { type StoreOptions } from "@kvs/txn";
import { type CrashReport } from "./crash-explorer.ts";
import { FLOOD_PATH } from "./disk-space.ts";
import { recover } from "./recover.ts";
import { type Allowance, type StoreModel } from "./store-model.ts";

/** Power cuts whose images are recovered in one run. */
const IMAGES_MAX = 24;
/** At one change of the disk in so many an image is taken. */
const IMAGE_EVERY = 40;

/** An image of a power cut that did not happen. */
interface Image {
  readonly storage: SimStorage;
  readonly allowed: Allowance;
}

export interface ImageOracleOptions {
  readonly model: StoreModel;
  readonly store: StoreOptions;
  readonly mutants: readonly string[];
  readonly random: Random;
}

/**
 * Recovers images of power cuts that a run could have had, and some of them once more after a power
 * cut in the midst of the first recovery. Counts crash points, its own and those of others.
 */
export class ImageOracle {
  readonly #options: ImageOracleOptions;
  readonly #images: Image[] = [];
  #imagesLeft = IMAGES_MAX;
  #points = 0;
  #inRecovery = 0;
  #recovered = 0;
  #withoutSpace = 0;

  constructor(options: ImageOracleOptions) {
    this.#options = options;
  }

  /** Power cuts that were tried, those in the midst of a recovery, and images that differed. */
  get counts(): {
    readonly points: number;
    readonly inRecovery: number;
    readonly recovered: number;
  } {
    return { points: this.#points, inRecovery: this.#inRecovery, recovered: this.#recovered };
  }

  /** Recoveries that were refused for lack of space, and then had it. */
  get withoutSpace(): number {
    return this.#withoutSpace;
  }

  /** Counts what somebody else tried. */
  add({ images, recoveryCrashes, recoveries }: CrashReport): void {
    this.#points += images + recoveryCrashes;
    this.#inRecovery += recoveryCrashes;
    this.#recovered += recoveries;
  }

  /** Called at a change of the disk; perhaps takes an image, drawn by `random`. */
  note(storage: SimStorage, random: Random): void {
    if (this.#imagesLeft === 0 || !random.chance(1 / IMAGE_EVERY)) return;
    this.#imagesLeft--;
    const allowed = this.#options.model.allowance();
    this.#images.push({ storage: storage.sampleCrashImage(random), allowed });
  }

  /** Recovers the images taken since the last call; returns what is wrong. */
  async violations(): Promise<readonly string[]> {
    const violations: string[] = [];
    for (const { storage, allowed } of this.#images.splice(0)) {
      try {
        await this.#recoverTwice(storage, allowed);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        violations.push(`after a power cut at batch ${allowed.submitted}: ${text}`);
      }
    }
    return violations;
  }

  /**
   * The image, with space given back if it is of a store that was being made, and its recovery asks
   * for some: only a store that has answered a batch keeps room for its recovery.
   */
  async #withSpace(image: SimStorage, allowed: Allowance): Promise<SimStorage> {
    const { model, store, mutants, random } = this.#options;
    if (allowed.acknowledged > 0 || !image.files().includes(FLOOD_PATH)) return image;
    const refused = image.clone();
    try {
      await recover(refused, model, { store, mutants, random: random.split("full"), allowed });
      return image;
    } catch (error) {
      if (!isKvsError(error, "DISK_FULL") && !isKvsError(error, "WAL_DISK_FULL")) throw error;
    }
    this.#withoutSpace++;
    refused.processDied();
    refused.removeFile(FLOOD_PATH);
    return refused;
  }

  /** Recovers an image; crashes that once, somewhere, and recovers again. */
  async #recoverTwice(image: SimStorage, allowed: Allowance): Promise<void> {
    const { model, store, mutants } = this.#options;
    const random = this.#options.random.split(`recovery-${this.#recovered}`);
    const options = { store, mutants, random };
    let crashed: SimStorage | undefined;
    const first = await this.#withSpace(image, allowed);
    const batch = await recover(first.clone(), model, {
      ...options,
      allowed,
      isThorough: random.chance(0.2),
      crashed: (storage) => {
        if (random.chance(0.05)) crashed = storage.sampleCrashImage(random);
      },
    });
    this.#points++;
    this.#recovered++;
    if (crashed === undefined) return;
    const same = { acknowledged: batch, submitted: batch };
    await recover(crashed, model, { ...options, allowed: same });
    this.#points++;
    this.#inRecovery++;
    this.#recovered++;
  }
}
