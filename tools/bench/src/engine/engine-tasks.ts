import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Random, assert, createRandom } from "@kvs/env";
import { createNodeEnvironment } from "@kvs/node";
import { Store, type StoreOptions, storePaths } from "@kvs/txn";
import { cpuMicrosOf } from "../cpu.ts";
import { runCallersUntil } from "../load.ts";
import { type LoopDelay, LoopDelayWatch } from "../loop-delay.ts";
import { type Sample } from "../sample.ts";
import { toEmbedded } from "../stores/kvs-store.ts";
import { fill } from "../stores/loaded-store.ts";
import { keyOf, randomValues } from "../stores/sample-pairs.ts";
import { WriteCounter, countingDisk } from "./counting-disk.ts";

const STORE = "kvs";
const COPY = "copy";
/** Puts between two looks at how long the log is. */
const LOOK_EVERY = 64;
/** How long writing goes on after a checkpoint became due, before the process is killed. */
const KILL_DELAY_MS = 100;
/** Entries of a range that is read. */
const SCAN_ENTRIES = 100;

export interface Opened {
  readonly elapsedMs: number;
  readonly cpuMicros: number;
}

/** Which pairs a store holds: keys are numbers from 0 on. */
export interface Shape {
  readonly keys: number;
  readonly valueBytes: number;
}

export interface PutParameters extends Shape {
  readonly callers: number;
  /** Enough puts. */
  readonly puts?: number;
  /** Enough checkpoints. */
  readonly checkpoints?: number;
  /** Enough log since the latest checkpoint. */
  readonly logBytes?: number;
}

/** What puts came to. */
export interface PutResult {
  readonly sample: Sample;
  readonly puts: number;
  readonly loopDelay: LoopDelay;
  /** Log since the latest checkpoint began. */
  readonly logBytes: number;
  /** Length of the page file. */
  readonly pageFileBytes: number;
}

export interface KillParameters extends Shape {
  readonly callers: number;
  /** Log after which a checkpoint is due. */
  readonly dueBytes: number;
}

export interface CopyParameters extends Shape {
  readonly callers: number;
  /** How long puts run alone, before and after. */
  readonly aloneMs: number;
}

export interface CopyResult {
  readonly copyBytes: number;
  readonly copyMs: number;
  /** Puts per second without a copy under way, and with. */
  readonly aloneRate: number;
  readonly copyRate: number;
}

export interface MixParameters extends Shape {
  readonly callers: number;
  readonly milliseconds: number;
}

/**
 * One store in a folder, and what can be asked of it from outside: what a benchmark does in a
 * process of its own, so that it can be killed, and its memory and its event loop are its own.
 */
export class EngineTasks {
  readonly #folder: string;
  readonly #random: Random = createRandom(process.pid);
  readonly #written = new WriteCounter();
  #store: Store | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the store; recovers it, if its process was killed. */
  async open(options: Omit<StoreOptions, "path">): Promise<Opened> {
    assert(this.#store === undefined, "a process has one store");
    const host = createNodeEnvironment({ root: this.#folder });
    const environment = { ...host, disk: countingDisk(host.disk, this.#written) };
    const cpuBefore = cpuMicrosOf();
    const startMs = performance.now();
    this.#store = await Store.open(environment, { path: STORE, ...options });
    const elapsedMs = performance.now() - startMs;
    return { elapsedMs, cpuMicros: cpuMicrosOf() - cpuBefore };
  }

  /** Loads every pair into the empty store. */
  async fill({ keys, valueBytes }: Shape): Promise<void> {
    await fill(toEmbedded(this.#opened), keys, randomValues(valueBytes));
  }

  async checkpoint(): Promise<void> {
    await this.#opened.checkpoint();
  }

  /** Bytes written to files since the process began. */
  async writtenBytes(): Promise<number> {
    return this.#written.bytes;
  }

  /** Puts random keys, durably, until it is enough. */
  async put(parameters: PutParameters): Promise<PutResult> {
    const store = this.#opened;
    const { callers, puts = Infinity, checkpoints = Infinity, logBytes = Infinity } = parameters;
    const lastCheckpoint = store.stats().checkpointCount + checkpoints;
    let count = 0;
    let isOver = false;
    const isEnough = (started: number): boolean => {
      count = started;
      if (started % LOOK_EVERY === 0) {
        const stats = store.stats();
        isOver ||= stats.checkpointCount >= lastCheckpoint || stats.logBytes >= logBytes;
      }
      return isOver || started >= puts;
    };
    const put = this.#putter(parameters);
    const watch = new LoopDelayWatch();
    const sample = await runCallersUntil(callers, isEnough, put);
    return {
      sample,
      puts: count,
      loopDelay: watch.stop(),
      logBytes: store.stats().logBytes,
      pageFileBytes: statSync(join(this.#folder, storePaths(STORE).pages)).size,
    };
  }

  /**
   * Puts random keys until the log is so long that a checkpoint is due, and a little longer; then the
   * process is killed, with the checkpoint under way and the log at its longest.
   */
  async putUntilKilled({ dueBytes, ...puts }: KillParameters): Promise<never> {
    await this.put({ ...puts, logBytes: dueBytes });
    void this.put(puts);
    await pause(KILL_DELAY_MS);
    process.kill(process.pid, "SIGKILL");
    return new Promise<never>(() => undefined);
  }

  /** On random keys, for some time: half gets, four tenths puts, a tenth ranges. */
  async mix(parameters: MixParameters): Promise<Sample> {
    const store = this.#opened;
    const { callers, milliseconds, keys } = parameters;
    const random = this.#random;
    const put = this.#putter(parameters);
    const randomKey = (): Uint8Array => keyOf(random.below(keys));
    const operation = async (): Promise<unknown> => {
      const choice = random.below(10);
      if (choice < 5) return store.get(randomKey());
      if (choice < 9) return put();
      let found = 0;
      for await (const _ of store.scan({ gte: randomKey(), limit: SCAN_ENTRIES })) found++;
      return found;
    };
    const endMs = performance.now() + milliseconds;
    return runCallersUntil(callers, () => performance.now() >= endMs, operation);
  }

  /** Copies the store into a file while puts go on; before and after that, puts alone. */
  async copyUnderLoad(parameters: CopyParameters): Promise<CopyResult> {
    const store = this.#opened;
    const { callers, aloneMs } = parameters;
    const put = this.#putter(parameters);
    let puts = 0;
    let isOver = false;
    const isEnough = (started: number): boolean => {
      puts = started;
      return isOver;
    };
    const running = runCallersUntil(callers, isEnough, put);
    const rateDuring = async (work: () => Promise<unknown>): Promise<[number, number]> => {
      const [putsBefore, startMs] = [puts, performance.now()];
      await work();
      const elapsedMs = performance.now() - startMs;
      return [((puts - putsBefore) / elapsedMs) * 1000, elapsedMs];
    };
    const alone = async (): Promise<void> => {
      await store.checkpoint(); // a copy begins with one too
      await pause(aloneMs);
    };
    let copyBytes = 0;
    await pause(aloneMs / 4);
    const [rateBefore] = await rateDuring(alone);
    const [copyRate, copyMs] = await rateDuring(async () => {
      copyBytes = await store.copyTo(COPY);
    });
    const [rateAfter] = await rateDuring(alone);
    isOver = true;
    await running;
    rmSync(join(this.#folder, COPY));
    return { copyBytes, copyMs, aloneRate: (rateBefore + rateAfter) / 2, copyRate };
  }

  async close(): Promise<void> {
    await this.#opened.close();
    this.#store = undefined;
  }

  get #opened(): Store {
    assert(this.#store !== undefined, "the store was opened");
    return this.#store;
  }

  #putter({ keys, valueBytes }: Shape): () => Promise<unknown> {
    const store = this.#opened;
    const random = this.#random;
    const values = randomValues(valueBytes);
    let next = 0;
    return () => {
      const value = values[next++ % values.length]!;
      return store.batch([{ type: "put", key: keyOf(random.below(keys)), value }]);
    };
  }
}
