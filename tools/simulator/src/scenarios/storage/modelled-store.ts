import { type Environment, KvsError, assert, isKvsError } from "@kvs/env";
import { type Mutation, Store, type StoreOptions } from "@kvs/txn";
import { type HotCopies } from "./hot-copies.ts";
import { type ModelMutation, type StoreModel } from "./store-model.ts";
import { valueOf } from "./values.ts";

/** The name of the tree that every store has. */
export const MAIN = "main";

/** A mutation whose value follows from its batch. */
export interface PlannedMutation {
  /** Default: `MAIN`. */
  readonly tree?: string;
  readonly key: Uint8Array;
  /** Length of the value; absent: a delete. */
  readonly bytes?: number;
}

/** What a life of a store tells whoever watches it. */
export interface LifeHooks {
  /** Called when a batch is answered, before anything else happens. */
  readonly onAcknowledged?: (batch: number) => void;
  /**
   * Where copies of the store go. They are looked at when the life is over: a world that restores one
   * cannot run inside of another.
   */
  readonly copies?: HotCopies;
  /** Called when a step fails; decides whether the next is taken. Default: the life ends with it. */
  readonly onFailed?: (error: unknown, store: Store | undefined) => Promise<"go-on">;
}

/** A store whose writes are noted in a model. */
export class ModelledStore {
  readonly store: Store;
  readonly model: StoreModel;
  readonly #options: LifeHooks;

  private constructor(store: Store, model: StoreModel, options: LifeHooks) {
    this.store = store;
    this.model = model;
    this.#options = options;
  }

  static async open(
    environment: Environment,
    storeOptions: StoreOptions,
    model: StoreModel,
    options: LifeHooks = {},
  ): Promise<ModelledStore> {
    return new ModelledStore(await Store.open(environment, storeOptions), model, options);
  }

  /** Whether a tree was made, or is being made. */
  knows(name: string): boolean {
    return this.model.hasTree(name);
  }

  /**
   * The number of a tree.
   *
   * @throws {KvsError} `TXN_UNKNOWN_TREE`: making it failed.
   */
  treeOf(name: string): number {
    const tree = this.store.trees().get(name);
    if (tree !== undefined) return tree;
    throw new KvsError("TXN_UNKNOWN_TREE", `there is no tree ${name}`, { outcome: "none" });
  }

  /**
   * Submits a batch.
   *
   * @returns Its number in the model, when it is answered.
   * @throws What the store throws; the model knows what that means.
   */
  async batch(planned: readonly PlannedMutation[]): Promise<number> {
    for (const { tree = MAIN } of planned) this.treeOf(tree);
    const number = this.model.submitted + 1;
    const noted = planned.map(({ tree = MAIN, key, bytes }, at): ModelMutation => {
      const value = bytes === undefined ? undefined : valueOf(number, at, bytes);
      return { tree, key, value };
    });
    const mutations = noted.map(({ tree, key, value }): Mutation => {
      const treeId = this.treeOf(tree);
      if (value === undefined) return { type: "delete", tree: treeId, key };
      return { type: "put", tree: treeId, key, value };
    });
    assert(this.model.submit(noted) === number, "batches are numbered in their order");
    await this.#note(number, this.store.batch(mutations));
    return number;
  }

  /** Makes a tree. */
  async openTree(name: string): Promise<void> {
    const number = this.model.submitTree(name);
    await this.#note(number, this.store.openTree(name));
  }

  async #note(
    number: number,
    answer: Promise<{ readonly version: number } | number>,
  ): Promise<void> {
    try {
      const answered = await answer;
      const version = typeof answered === "number" ? undefined : answered.version;
      this.model.acknowledge(number, version);
      this.#options.onAcknowledged?.(number);
    } catch (error) {
      if (isKvsError(error) && error.outcome === "none") this.model.cancel(number);
      throw error;
    }
  }
}
