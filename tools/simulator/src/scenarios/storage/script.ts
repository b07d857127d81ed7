import { type Environment, sleep } from "@kvs/env";
import { type Snapshot, type StoreOptions } from "@kvs/txn";
import { StorageViolation, auditStore, compareContent, readContent } from "./audit.ts";
import { MAIN, ModelledStore, type LifeHooks, type PlannedMutation } from "./modelled-store.ts";
import { type StoreModel } from "./store-model.ts";

/** Longer than the janitor waits. */
const JANITOR_MS = 50;

/** One step of a script. */
export type ScriptStep = (script: Script) => Promise<unknown>;

export interface ScriptOptions {
  readonly environment: Environment;
  readonly store: StoreOptions;
  readonly model: StoreModel;
  readonly hooks?: LifeHooks;
}

/**
 * A life of a store that is the same every time: opens it, takes a list of steps, closes it. It
 * compares what it sees with the model on its way.
 */
export class Script {
  readonly #options: ScriptOptions;
  #open: ModelledStore | undefined;
  #held: { readonly snapshot: Snapshot; readonly batch: number }[] = [];
  #operations = 0;

  constructor(options: ScriptOptions) {
    this.#options = options;
  }

  /** Steps done so far. */
  get operations(): number {
    return this.#operations;
  }

  /** The store, which is open from the first step to the last. */
  get store(): ModelledStore {
    return this.#open!;
  }

  async run(steps: readonly ScriptStep[]): Promise<void> {
    await this.#take(() => this.reopen());
    for (const step of steps) {
      await this.#take(async (script) => {
        if (script.#open === undefined) await script.reopen();
        await step(script);
      });
      this.#operations++;
    }
    await this.#take(() => this.#close());
  }

  put(key: number, bytes: number): Promise<unknown> {
    return this.batch(range(key, key + 1, bytes));
  }

  delete(key: number): Promise<unknown> {
    return this.batch(deletes(key, key + 1));
  }

  batch(planned: readonly PlannedMutation[]): Promise<unknown> {
    return this.store.batch(planned);
  }

  /** A batch for each mutation, all at once. */
  async together(planned: readonly PlannedMutation[]): Promise<void> {
    await Promise.all(planned.map((mutation) => this.store.batch([mutation])));
  }

  checkpoint(): Promise<void> {
    return this.store.store.checkpoint();
  }

  /** Seals everything with a new key, if the store is sealed at all. */
  async rotate(): Promise<void> {
    if (this.#options.store.encryption !== undefined) await this.store.store.rotateKeys();
  }

  /** Gives back the space that deletes left inside of the file. */
  async compact(): Promise<void> {
    await this.store.store.compact();
  }

  /** Takes a copy of the store, if anybody will look at it. */
  async copy(): Promise<void> {
    await this.#options.hooks?.copies?.take(this.store);
  }

  openTree(name: string): Promise<void> {
    return this.store.openTree(name);
  }

  /** Lets time pass, so that what nobody needs is cleared away. */
  async rest(): Promise<void> {
    await sleep(this.#options.environment.clock, JANITOR_MS);
  }

  /** Opens a snapshot, and looks whether the others still see what they saw. */
  async hold(): Promise<void> {
    const snapshot = this.store.store.snapshot();
    this.#held.push({ snapshot, batch: this.#options.model.acknowledged });
    await this.#checkHeld();
  }

  /** Closes the snapshots after a last look. */
  async release(): Promise<void> {
    await this.#checkHeld();
    for (const { snapshot } of this.#held) snapshot.close();
    this.#held = [];
  }

  async reopen(): Promise<void> {
    const { environment, store, model, hooks } = this.#options;
    await this.#close();
    this.#open = await ModelledStore.open(environment, store, model, hooks);
    model.settle(await auditStore(this.#open.store, model));
  }

  async #close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    try {
      await this.release();
    } finally {
      this.#open = undefined;
      this.#held = [];
      await open.store.close();
    }
  }

  /** Takes a step; one that fails may be passed over. */
  async #take(step: ScriptStep): Promise<void> {
    const { onFailed } = this.#options.hooks ?? {};
    try {
      await step(this);
    } catch (error) {
      if (onFailed === undefined) throw error;
      await onFailed(error, this.#open?.store);
    }
  }

  async #checkHeld(): Promise<void> {
    for (const { snapshot, batch } of this.#held) {
      const all = [...(await readContent(this.store.store, snapshot))];
      // A tree that was made later is empty at the snapshot's moment.
      const trees = this.#options.model.treesAt(batch);
      const content = new Map(
        all.filter(([tree, rows]) => trees.includes(tree) || rows.length > 0),
      );
      const difference = compareContent(content, this.#options.model, batch);
      if (difference !== undefined) throw new StorageViolation(`a snapshot changed: ${difference}`);
    }
  }
}

/** Puts of a row of keys, with values of nearly the same length. */
export function range(
  from: number,
  to: number,
  bytes: number,
  tree: string = MAIN,
): PlannedMutation[] {
  const planned: PlannedMutation[] = [];
  for (let key = from; key < to; key++) planned.push({ tree, key: keyOf(key), bytes });
  return planned;
}

/** Deletes of a row of keys. */
export function deletes(from: number, to: number, tree: string = MAIN): PlannedMutation[] {
  const planned: PlannedMutation[] = [];
  for (let key = from; key < to; key++) planned.push({ tree, key: keyOf(key) });
  return planned;
}

/** Keys of 9 bytes, of 309 with a long common prefix, and a few of the longest kind. */
function keyOf(number: number): Uint8Array {
  const digits = String(number).padStart(5, "0");
  const prefix = number % 10 === 7 ? "k".repeat(300) : "";
  const suffix = number % 50 === 49 ? "z".repeat(1024 - 9) : "";
  return Uint8Array.from(`${prefix}key-${digits}${suffix}`, (letter) => letter.charCodeAt(0));
}
