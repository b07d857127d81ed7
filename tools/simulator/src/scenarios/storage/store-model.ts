import { assert } from "@kvs/env";
import { type ModelKey, toModelKey } from "./model-key.ts";

/** One change of one key, in a tree named by name. */
export interface ModelMutation {
  readonly tree: string;
  readonly key: Uint8Array;
  /** `undefined` deletes. */
  readonly value: Uint8Array | undefined;
}

/** What is known of a batch. */
export type BatchState =
  /** Submitted; nobody knows whether it will be there. */
  | "pending"
  /** Answered: it is there, for ever. */
  | "acknowledged"
  /** Certainly not there, nor ever. */
  | "void";

interface ModelBatch {
  state: BatchState;
  version: number | undefined;
  readonly mutations: readonly ModelMutation[];
  /** The tree that it makes, if it makes one. */
  readonly tree: string | undefined;
}

/** What a batch left under a key. */
interface Write {
  readonly batch: number;
  readonly value: Uint8Array | undefined;
}

/** A row of a store, or of what a model says of it. */
export interface Row {
  readonly key: ModelKey;
  readonly value: Uint8Array;
  /** Number of the batch that wrote it, in a model. */
  readonly batch: number;
}

/**
 * What a moment allows: the store holds batches 1 to n, but for void ones, where n is at least
 * `acknowledged` and at most `submitted`.
 */
export interface Allowance {
  readonly acknowledged: number;
  readonly submitted: number;
}

/**
 * The store as it should be: every version of every key, by the number of the batch that wrote it.
 *
 * Batches take effect in the order of the calls, and become durable in that order. So at any moment,
 * and after any crash, the store holds a prefix of them.
 */
export class StoreModel {
  readonly #batches: ModelBatch[] = [];
  readonly #trees = new Map<string, Map<ModelKey, Write[]>>();
  /** Tree → batch that made it. */
  readonly #makers = new Map<string, number>();
  readonly #sortedKeys = new Map<string, readonly ModelKey[]>();
  #acknowledged = 0;

  /** @param tree The tree that a store has from the start. */
  constructor(tree: string) {
    this.#makers.set(tree, 0);
    this.#trees.set(tree, new Map());
  }

  /** Batches submitted so far; they are numbered from 1. */
  get submitted(): number {
    return this.#batches.length;
  }

  /** The newest batch that was answered: it and all before it are there, unless void. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  allowance(): Allowance {
    return { acknowledged: this.#acknowledged, submitted: this.submitted };
  }

  /** Notes a batch that is about to be handed to the store; returns its number. */
  submit(mutations: readonly ModelMutation[]): number {
    const batch = this.#add(mutations, undefined);
    for (const { tree, key, value } of mutations) {
      const writes = this.#writesOf(tree, toModelKey(key));
      if (writes.at(-1)?.batch === batch) writes.pop(); // the last mutation of a key counts
      writes.push({ batch, value });
    }
    return batch;
  }

  /** Notes that a tree is about to be made; returns the number of the batch that makes it. */
  submitTree(tree: string): number {
    assert(!this.#makers.has(tree), "a model's tree is made once");
    const batch = this.#add([], tree);
    this.#makers.set(tree, batch);
    this.#trees.set(tree, new Map());
    return batch;
  }

  /** The store answered. */
  acknowledge(batch: number, version?: number): void {
    const found = this.#batch(batch);
    assert(found.state !== "void", "a batch that is void is not answered");
    found.state = "acknowledged";
    if (version !== undefined) found.version = version;
    this.#acknowledged = Math.max(this.#acknowledged, batch);
  }

  /** The store said that the batch has no effect. */
  cancel(batch: number): void {
    const found = this.#batch(batch);
    assert(found.state === "pending", "only a pending batch is void");
    found.state = "void";
    this.#forget(batch, found);
  }

  /** A crash left batches 1 to `survived`: these stay, later ones are void. */
  settle(survived: number): void {
    assert(survived >= this.#acknowledged, "what was acknowledged survives");
    for (let batch = this.submitted; batch > survived; batch--) {
      if (this.stateOf(batch) === "pending") this.cancel(batch);
    }
    for (let batch = survived; batch > this.#acknowledged; batch--) {
      if (this.stateOf(batch) === "pending") this.#batch(batch).state = "acknowledged";
    }
    this.#acknowledged = survived;
  }

  stateOf(batch: number): BatchState {
    return this.#batch(batch).state;
  }

  /** The timestamp under which the batch was answered. */
  versionOf(batch: number): number | undefined {
    return batch === 0 ? undefined : this.#batch(batch).version;
  }

  /** Learns the timestamp of a batch that a crash left unanswered. */
  learnVersion(batch: number, version: number): void {
    this.#batch(batch).version ??= version;
  }

  /** Whether a batch that is not void makes this tree. */
  hasTree(name: string): boolean {
    return this.#makers.has(name);
  }

  /** Names of the trees after this batch, sorted. */
  treesAt(batch: number): string[] {
    const names = [...this.#makers].filter(([, maker]) => maker <= batch).map(([name]) => name);
    return names.toSorted((one, other) => (one < other ? -1 : 1));
  }

  /** The value of a key after this batch. */
  valueAt(tree: string, key: Uint8Array, batch: number): Uint8Array | undefined {
    return this.#at(tree, toModelKey(key), batch)?.value;
  }

  /** The rows of a tree after this batch, in order. */
  rowsAt(tree: string, batch: number): Row[] {
    const rows: Row[] = [];
    for (const key of this.keys(tree)) {
      const write = this.#at(tree, key, batch);
      if (write?.value !== undefined) rows.push({ key, value: write.value, batch: write.batch });
    }
    return rows;
  }

  /** Every key of a tree that any batch wrote, sorted. */
  keys(tree: string): readonly ModelKey[] {
    let keys = this.#sortedKeys.get(tree);
    if (keys === undefined) {
      const found = [...(this.#trees.get(tree)?.keys() ?? [])];
      keys = found.toSorted((one, other) => (one < other ? -1 : 1));
      this.#sortedKeys.set(tree, keys);
    }
    return keys;
  }

  /** What a read of a key may answer that began and ended at moments with these allowances. */
  valuesBetween(
    tree: string,
    key: Uint8Array,
    { acknowledged, submitted }: Allowance,
  ): (Uint8Array | undefined)[] {
    const values: (Uint8Array | undefined)[] = [];
    const writes = this.#trees.get(tree)?.get(toModelKey(key)) ?? [];
    values.push(writes.findLast(({ batch }) => batch <= acknowledged)?.value);
    for (const { batch, value } of writes) {
      if (batch > acknowledged && batch <= submitted) values.push(value);
    }
    return values;
  }

  /** The newest batch at or before `timestamp`, as far as timestamps are known. */
  batchAt(timestamp: number): number {
    const found = this.#batches.findLastIndex(
      ({ version, state }) => state !== "void" && version !== undefined && version <= timestamp,
    );
    return found + 1;
  }

  #add(mutations: readonly ModelMutation[], tree: string | undefined): number {
    this.#batches.push({ state: "pending", version: undefined, mutations, tree });
    return this.#batches.length;
  }

  #forget(batch: number, { mutations, tree }: ModelBatch): void {
    if (tree !== undefined) {
      this.#makers.delete(tree);
      this.#trees.delete(tree);
      this.#sortedKeys.delete(tree);
    }
    for (const mutation of mutations) {
      const writes = this.#trees.get(mutation.tree)?.get(toModelKey(mutation.key));
      const at = writes?.findIndex((write) => write.batch === batch) ?? -1;
      if (at >= 0) writes!.splice(at, 1);
    }
  }

  #writesOf(tree: string, key: ModelKey): Write[] {
    const keys = this.#trees.get(tree);
    assert(keys !== undefined, "a batch writes to trees that exist");
    let writes = keys.get(key);
    if (writes === undefined) {
      writes = [];
      keys.set(key, writes);
      this.#sortedKeys.delete(tree);
    }
    return writes;
  }

  #at(tree: string, key: ModelKey, batch: number): Write | undefined {
    return this.#trees
      .get(tree)
      ?.get(key)
      ?.findLast((write) => write.batch <= batch);
  }

  #batch(batch: number): ModelBatch {
    const found = this.#batches[batch - 1];
    assert(found !== undefined, "a batch has a number");
    return found;
  }
}
