import { type Environment, type Random, isKvsError, pick, sleep } from "@kvs/env";
import { type Entry, type Snapshot, Store } from "@kvs/txn";
import {
  type Content,
  StorageViolation,
  compareContent,
  compareRows,
  drawRange,
  findState,
  isSame,
  readContent,
  rowsWithin,
} from "./audit.ts";
import { type HotCopies } from "./hot-copies.ts";
import { MAIN, type ModelledStore, type PlannedMutation } from "./modelled-store.ts";
import { type Allowance, type StoreModel } from "./store-model.ts";
import { type StoreKnobs, keyOf } from "./store-knobs.ts";

/** Trees that a workload makes besides the first. */
const TREE_NAMES: readonly string[] = ["left", "right"];
/** A client waits this long between two operations, at most. */
const THINK_MS_MAX = 20;
/** Snapshots that are held at the same time. */
const SNAPSHOTS_MAX = 3;

export interface WorkloadOptions {
  readonly environment: Environment;
  readonly open: ModelledStore;
  readonly knobs: StoreKnobs;
  readonly random: Random;
  /** Called for each operation that is begun. */
  readonly onOperation: () => void;
  /** Called before each batch; returns whether there is work left for it. */
  readonly onBatch: (planned: readonly PlannedMutation[]) => boolean;
  /** Where copies go that are taken on the way. */
  readonly copies: HotCopies;
  /** Batches left for this life. */
  readonly batches: number;
}

interface Held {
  readonly snapshot: Snapshot;
  readonly allowed: Allowance;
  /** The state that it shows, once it was looked at. */
  batch: number | undefined;
}

/**
 * Clients of one store: writers, readers, holders of snapshots, all at once. Every answer is compared
 * with the model: it must be right at some moment of the operation.
 */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #open: ModelledStore;
  readonly #model: StoreModel;
  readonly #knobs: StoreKnobs;
  readonly #held: Held[] = [];
  readonly #mayReadFail: (error: unknown) => boolean;
  #batchesLeft: number;
  #writersLeft: number;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#open = options.open;
    this.#model = options.open.model;
    this.#knobs = options.knobs;
    this.#mayReadFail = options.knobs.frames < FRAMES_FOR_READERS ? isPassing : isPassingRead;
    this.#batchesLeft = options.batches;
    this.#writersLeft = options.knobs.writers;
  }

  /** Resolves when the batches are used up. */
  async run(): Promise<void> {
    const { random, knobs } = this.#options;
    const clients: Promise<void>[] = [];
    for (let writer = 0; writer < knobs.writers; writer++) {
      clients.push(this.#write(random.split(`writer-${writer}`)));
    }
    for (let reader = 0; reader < knobs.readers; reader++) {
      clients.push(this.#read(random.split(`reader-${reader}`)));
    }
    clients.push(this.#hold(random.split("holder")));
    await Promise.all(clients);
    for (const { snapshot } of this.#held) snapshot.close();
  }

  async #write(random: Random): Promise<void> {
    try {
      while (this.#batchesLeft > 0) {
        await this.#think(random);
        if (this.#batchesLeft <= 0) break;
        this.#batchesLeft--;
        this.#options.onOperation();
        await this.#passable(() => this.#writeOnce(random));
      }
    } finally {
      this.#writersLeft--;
    }
  }

  async #writeOnce(random: Random): Promise<void> {
    const choice = random.nextFloat();
    if (choice < 0.03) await this.#open.store.checkpoint();
    else if (choice < 0.035) await this.#openTwice();
    else if (choice < 0.04) await this.#options.copies.take(this.#open);
    else if (choice < 0.044) await this.#rotate();
    else if (choice < 0.047) await this.#open.store.compact();
    else if (choice < 0.065) await this.#openTree(pick(random, TREE_NAMES));
    else {
      const planned = this.#drawBatch(random);
      if (this.#options.onBatch(planned)) await this.#open.batch(planned);
      else this.#batchesLeft = 0;
    }
  }

  async #openTree(name: string): Promise<void> {
    if (!this.#open.knows(name)) await this.#open.openTree(name);
  }

  async #rotate(): Promise<void> {
    const { store } = this.#open;
    if (this.#knobs.store.encryption === undefined) return;
    await store.rotateKeys();
    await store.rewrapKeys();
  }

  /** The directory is this store's alone, as long as it is open. */
  async #openTwice(): Promise<void> {
    const { environment, knobs } = this.#options;
    try {
      await Store.open(environment, knobs.store);
    } catch (error) {
      if (isKvsError(error, "DISK_LOCKED")) return;
      throw error;
    }
    throw new StorageViolation("one directory was opened twice at the same time");
  }

  #drawBatch(random: Random): PlannedMutation[] {
    const { mutationsMax, keyCount, deleteShare, valueLengths } = this.#knobs;
    const isOne = random.chance(0.4);
    const count = isOne ? 1 : 1 + random.below(mutationsMax);
    const trees = this.#open.model.treesAt(this.#model.acknowledged);
    const planned: PlannedMutation[] = [];
    for (let at = 0; at < count; at++) {
      const tree = random.chance(0.7) ? MAIN : pick(random, trees);
      const key = keyOf(this.#knobs, random.below(Math.max(keyCount, count)));
      const isDelete = random.chance(deleteShare);
      // Of thousands of values only some are long: the time of a seed is bounded.
      const bytes = count > 100 ? random.below(40) : pick(random, valueLengths);
      planned.push(isDelete ? { tree, key } : { tree, key, bytes });
    }
    return planned;
  }

  async #read(random: Random): Promise<void> {
    while (this.#writersLeft > 0) {
      await this.#think(random);
      this.#options.onOperation();
      await this.#passable(async () => {
        if (random.chance(0.3)) await this.#scan(random);
        else await this.#get(random);
      }, this.#mayReadFail);
    }
  }

  async #get(random: Random): Promise<void> {
    const tree = this.#drawTree(random);
    const key = keyOf(this.#knobs, random.below(this.#knobs.keyCount));
    const options = { tree: this.#open.treeOf(tree) };
    const { acknowledged } = this.#model;
    const isSync = random.chance(0.3);
    const { store } = this.#open;
    const value = isSync ? store.getSync(key, options) : await store.get(key, options);
    const allowed = { acknowledged, submitted: this.#model.submitted };
    const right = this.#model.valuesBetween(tree, key, allowed);
    if (right.some((expected) => isSame(expected, value))) return;
    throw new StorageViolation(
      `a read between batches ${acknowledged} and ${allowed.submitted} gives a value of neither`,
    );
  }

  async #scan(random: Random): Promise<void> {
    const tree = this.#drawTree(random);
    const treeId = this.#open.treeOf(tree);
    const { acknowledged } = this.#model;
    const range = drawRange(random, this.#model.rowsAt(tree, acknowledged));
    const iterator = this.#open.store.scan({ ...range, tree: treeId });
    const entries: Entry[] = [];
    let step = iterator.next();
    const { submitted } = this.#model; // the view was opened just now
    for (;;) {
      const { done, value } = await step;
      if (done === true) break;
      entries.push(value);
      step = iterator.next();
    }
    let difference: string | undefined;
    for (let batch = submitted; batch >= acknowledged; batch--) {
      const rows = rowsWithin(this.#model.rowsAt(tree, batch), range);
      difference = compareRows(entries, rows, this.#model);
      if (difference === undefined) return;
    }
    throw new StorageViolation(
      `a scan between batches ${acknowledged} and ${submitted} is of neither: ${difference}`,
    );
  }

  /** Holds snapshots over many batches, and looks at them now and then. */
  async #hold(random: Random): Promise<void> {
    while (this.#writersLeft > 0) {
      await this.#think(random, 20);
      this.#options.onOperation();
      await this.#passable(async () => {
        if (this.#held.length < SNAPSHOTS_MAX && random.chance(0.6)) this.#openSnapshot();
        const held = this.#held[random.below(Math.max(1, this.#held.length))];
        if (held === undefined) return;
        await this.#look(held);
        if (!random.chance(0.3)) return;
        held.snapshot.close();
        this.#held.splice(this.#held.indexOf(held), 1);
      }, this.#mayReadFail);
    }
  }

  #openSnapshot(): void {
    const snapshot = this.#open.store.snapshot();
    this.#held.push({ snapshot, allowed: this.#model.allowance(), batch: undefined });
  }

  async #look(held: Held): Promise<void> {
    const all = [...(await readContent(this.#open.store, held.snapshot))];
    const known = this.#model.treesAt(held.allowed.acknowledged);
    // A tree that was made later is empty at the snapshot's moment, if it is there at all.
    const isThere = (tree: string): boolean => known.includes(tree);
    const content = new Map(all.filter(([tree, rows]) => isThere(tree) || rows.length > 0));
    // Two batches may leave the same values; once their versions are known they are told apart.
    const isKnown = held.batch !== undefined && this.#shows(content, held.batch);
    if (!isKnown) held.batch = findState(content, this.#model, held.allowed);
  }

  #shows(content: Content, batch: number): boolean {
    return compareContent(content, this.#model, batch) === undefined;
  }

  #drawTree(random: Random): string {
    return pick(random, this.#model.treesAt(this.#model.acknowledged));
  }

  async #think(random: Random, factor = 1): Promise<void> {
    await sleep(this.#options.environment.clock, random.nextFloat() * THINK_MS_MAX * factor);
  }

  /** Does an operation; one that may be tried again later is left at that. */
  async #passable(operation: () => Promise<void>, mayPass = isPassing): Promise<void> {
    try {
      await operation();
    } catch (error) {
      if (!mayPass(error)) throw error;
    }
  }
}

/** Failures after which a store goes on. */
function isPassing(error: unknown): boolean {
  return isKvsError(error) && (error.retryable || error.code === "DISK_IO");
}

/**
 * With fewer frames than these, all may be dirty: a reader then needs one that can be written, and the
 * log on the disk before it. A full disk refuses such reads, and they may be repeated.
 */
const FRAMES_FOR_READERS = 16;

/** The same, but for the lack of space: readers need none. */
function isPassingRead(error: unknown): boolean {
  const isFull = isKvsError(error, "DISK_FULL") || isKvsError(error, "WAL_DISK_FULL");
  if (isFull) throw new StorageViolation("a read was refused because the disk is full");
  return isPassing(error);
}
