import { type Environment, createRandom, isKvsError } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { Store, type StoreOptions, restoreCopy } from "@kvs/txn";
import { StorageViolation, auditStructure, findState, readContent } from "./audit.ts";
import { hasCanary } from "./canary.ts";
import { type ModelledStore } from "./modelled-store.ts";
import { type Allowance, type StoreModel } from "./store-model.ts";

/** Pieces in which a restore is given a copy: odd, so that frames are cut anywhere. */
const PIECE_BYTES = 30_011;

/** A copy that was taken of a living store, and what it may hold. */
interface TakenCopy {
  readonly bytes: Uint8Array;
  readonly allowed: Allowance;
}

export interface HotCopiesOptions {
  readonly model: StoreModel;
  readonly store: StoreOptions;
  readonly mutants?: readonly string[];
}

/** Takes copies of a store under load, restores them elsewhere and compares them with the model. */
export class HotCopies {
  readonly #options: HotCopiesOptions;
  readonly #taken: TakenCopy[] = [];
  #restored = 0;

  constructor(options: HotCopiesOptions) {
    this.#options = options;
  }

  /** Copies that were restored and found right. */
  get restored(): number {
    return this.#restored;
  }

  /**
   * Takes a copy: it holds what was answered before, and perhaps some of what comes meanwhile.
   *
   * @param between Runs after each piece: a slow reader, or work of others.
   */
  async take(open: ModelledStore, between?: () => Promise<unknown>): Promise<void> {
    const { acknowledged } = this.#options.model;
    const pieces: Uint8Array[] = [];
    for await (const piece of open.store.hotCopy()) {
      pieces.push(piece.slice());
      await between?.();
    }
    const bytes = new Uint8Array(Buffer.concat(pieces));
    const { submitted } = this.#options.model;
    this.#taken.push({ bytes, allowed: { acknowledged, submitted } });
  }

  /** Restores what was taken since the last call; returns what is wrong. */
  async violations(): Promise<readonly string[]> {
    const violations: string[] = [];
    for (const copy of this.#taken.splice(0)) {
      try {
        await this.#restore(copy);
        this.#restored++;
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        violations.push(`a copy taken after batch ${copy.allowed.acknowledged}: ${text}`);
      }
    }
    return violations;
  }

  async #restore({ bytes, allowed }: TakenCopy): Promise<void> {
    const { model, store, mutants = [] } = this.#options;
    if (store.encryption !== undefined && hasCanary(bytes)) {
      throw new StorageViolation("a value of a sealed store stands readable in it");
    }
    const storage = new SimStorage({ random: createRandom(2) });
    const restore = (environment: Environment, copy: Uint8Array): Promise<unknown> =>
      restoreCopy(environment, inPieces(copy), store.path);
    await new InstantWorld(storage, { mutants }).run((environment) => restore(environment, bytes));
    await new InstantWorld(storage.worstCase(), { mutants }).run(async (environment) => {
      const restored = await Store.open(environment, store);
      findState(await readContent(restored), model, allowed);
      await auditStructure(restored);
      await restored.close();
    });
    await this.#refuseDamaged(bytes, restore);
  }

  /** A copy with a changed bit is none. */
  async #refuseDamaged(
    bytes: Uint8Array,
    restore: (environment: Environment, copy: Uint8Array) => Promise<unknown>,
  ): Promise<void> {
    const damaged = bytes.slice();
    const at = (this.#restored * 7919 + 11) % damaged.length;
    damaged[at]! ^= 1 << (at & 7);
    const storage = new SimStorage({ random: createRandom(3) });
    const { mutants = [] } = this.#options;
    try {
      await new InstantWorld(storage, { mutants }).run((environment) =>
        restore(environment, damaged),
      );
    } catch (error) {
      if (isKvsError(error)) return;
      throw error;
    }
    throw new StorageViolation(
      `with another bit in byte ${at} it is taken for a copy all the same`,
    );
  }
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    yield bytes.subarray(at, at + PIECE_BYTES);
  }
}
