import { InstantWorld, type SimStorage } from "@kvs/sim";
import { Store, type StoreOptions } from "@kvs/txn";
import { findState, readContent } from "./audit.ts";
import { requireSilence } from "./canary.ts";
import { type Allowance, type StoreModel } from "./store-model.ts";

/** Answers that are looked at in one run, at most. */
const MOMENTS_MAX = 500;

interface Moment {
  readonly image: SimStorage;
  readonly allowed: Allowance;
}

/**
 * Checks that what a store answers is durable at that very moment: of each answer it keeps the least
 * that a power cut would have left, and recovers it later. A missing sync shows at the first answer,
 * without any crash.
 */
export class AcknowledgementOracle {
  readonly #model: StoreModel;
  readonly #store: StoreOptions;
  readonly #mutants: readonly string[];
  readonly #moments: Moment[] = [];
  #checked = 0;

  constructor(model: StoreModel, store: StoreOptions, mutants: readonly string[] = []) {
    this.#model = model;
    this.#store = store;
    this.#mutants = mutants;
  }

  /** Answers that were looked at. */
  get checked(): number {
    return this.#checked;
  }

  /** Notes that a batch was answered just now. */
  note(storage: SimStorage): void {
    if (this.#moments.length >= MOMENTS_MAX) return;
    this.#moments.push({ image: storage.worstCase(), allowed: this.#model.allowance() });
  }

  /** Recovers every image; returns what is wrong. */
  async violations(): Promise<readonly string[]> {
    const violations: string[] = [];
    for (const { image, allowed } of this.#moments.splice(0)) {
      this.#checked++;
      requireSilence(image, this.#store);
      const world = new InstantWorld(image, { mutants: this.#mutants });
      try {
        await world.run(async (environment) => {
          const store = await Store.open(environment, this.#store);
          findState(await readContent(store), this.#model, allowed);
        });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        violations.push(`batch ${allowed.acknowledged} is answered and not durable: ${message}`);
      }
    }
    return violations;
  }
}
