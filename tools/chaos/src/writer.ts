import { rmSync, writeSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { KvsError } from "@kvs/env";
import { type Store } from "@kvs/txn";
import { openStore, restoreHotCopy } from "./store-settings.ts";
import { type Found, verifyStore } from "./verify.ts";
import {
  type Trees,
  RING_SLOTS,
  mutationsOf,
  openTrees,
  ringKey,
  ringTree,
  textOf,
} from "./workload.ts";
import { type Chore, type WriterLine, type WriterSettings, formatLine } from "./writer-settings.ts";

const STDOUT = 1;
/** How a writer ends that found a broken promise. */
const VIOLATION_EXIT_CODE = 3;
/** Before a batch that was refused is called for again. */
const REFUSED_PAUSE_MS = 20;
const READER_PAUSE_MS = 5;

/**
 * Opens a store, looks whether it holds what it must, and writes until the process is killed.
 *
 * A batch counts as answered when its line is written: the write returns when the pipe has it, and
 * the caller asks for the next one afterwards. So at most one batch of a caller is in doubt.
 */
export async function write(settings: WriterSettings): Promise<void> {
  try {
    await openAndWrite(settings);
  } catch (error) {
    if (error instanceof KvsError) say({ type: "failed", code: codesOf(error) });
    throw error; // printed, and the end of the process
  }
}

async function openAndWrite(settings: WriterSettings): Promise<void> {
  say({ type: "phase", phase: "opening" });
  const store = await openStore(settings.store, settings.mutants);
  say({ type: "phase", phase: "verifying" });
  const found = await verifyStore(store, settings.expected);
  if (found.violations.length > 0) fail(found.violations);
  for (const [caller, number] of found.heads.entries()) say({ type: "ack", caller, number });
  say({ type: "phase", phase: "writing" });
  await new Writer(store, await openTrees(store), found, settings).run();
}

class Writer {
  readonly #store: Store;
  readonly #trees: Trees;
  readonly #settings: WriterSettings;
  /** The newest batch of each caller that was answered. */
  readonly #heads: number[];
  #order: number;

  constructor(store: Store, trees: Trees, { heads, last }: Found, settings: WriterSettings) {
    this.#store = store;
    this.#trees = trees;
    this.#settings = settings;
    this.#heads = [...heads];
    this.#order = last;
  }

  async run(): Promise<void> {
    const work = [...this.#heads.keys()].map((caller) => this.#call(caller));
    if (this.#settings.chores.length > 0) work.push(this.#doChores());
    work.push(this.#read());
    await Promise.all(work);
  }

  /** Writes the batches of one caller, one after the other. */
  async #call(caller: number): Promise<never> {
    for (;;) {
      const number = this.#heads[caller]! + 1;
      await this.#batch(caller, number);
      this.#heads[caller] = number;
      say({ type: "ack", caller, number });
    }
  }

  /** Calls for one batch until it is answered. Only what certainly has no effect is repeated. */
  async #batch(caller: number, number: number): Promise<void> {
    for (;;) {
      try {
        const order = ++this.#order;
        await this.#store.batch(mutationsOf({ caller, number, order }, this.#trees));
        return;
      } catch (error) {
        say({ type: "refused", code: refusalOf(error) });
        await wait(REFUSED_PAUSE_MS);
      }
    }
  }

  async #doChores(): Promise<never> {
    const { chores, pauseMs } = this.#settings;
    for (let turn = 0; ; turn++) {
      await wait(pauseMs);
      const chore = chores[turn % chores.length]!;
      say({ type: "phase", phase: chore });
      try {
        await this.#do(chore);
        say({ type: "done", chore });
      } catch (error) {
        say({ type: "refused", code: refusalOf(error) });
      }
      say({ type: "phase", phase: "writing" });
    }
  }

  async #do(chore: Chore): Promise<void> {
    if (chore === "checkpoint") await this.#store.checkpoint();
    else if (chore === "rotation") await this.#store.rotateKeys();
    else await this.#copy();
  }

  /** Makes a copy while the others write, and looks what is in it. */
  async #copy(): Promise<void> {
    const { store } = this.#settings;
    const path = `${store.path}.copy`;
    rmSync(path, { recursive: true, force: true });
    const acknowledged = [...this.#heads];
    await restoreHotCopy(this.#store, path);
    const asked = this.#heads.map((number) => number + 1);
    const copy = await openStore({ ...store, path });
    const { hasGaps = false } = this.#settings.expected;
    const { violations } = await verifyStore(copy, { acknowledged, asked, hasGaps });
    await copy.close();
    if (violations.length > 0) fail(violations.map((text) => `in a copy: ${text}`));
  }

  /** Reads rings twice, by one snapshot: what is written meanwhile must not show. */
  async #read(): Promise<never> {
    for (let turn = 0; ; turn++) {
      const caller = turn % this.#heads.length;
      const snapshot = this.#store.snapshot();
      const range = { gte: ringKey(caller, 0), lt: ringKey(caller, RING_SLOTS), snapshot };
      const options = { ...range, ...ringTree(caller, this.#trees) };
      const before = await this.#texts(options);
      await wait(READER_PAUSE_MS);
      const after = await this.#texts(options);
      snapshot.close();
      if (before.join() !== after.join()) fail([`the ring of ${caller} changed in a snapshot`]);
    }
  }

  async #texts(options: Parameters<Store["scan"]>[0]): Promise<string[]> {
    const texts: string[] = [];
    for await (const { key, value } of this.#store.scan(options)) {
      texts.push(textOf(key), textOf(value));
    }
    return texts;
  }
}

/** The code of an error that says: not now, nothing happened. Any other ends the process. */
function refusalOf(error: unknown): string {
  if (!(error instanceof KvsError) || !error.retryable || error.outcome !== "none") throw error;
  return error.code;
}

/** The codes of an error and of its causes. */
function codesOf(error: KvsError): string {
  return error.cause instanceof KvsError ? `${error.code} < ${codesOf(error.cause)}` : error.code;
}

function fail(violations: readonly string[]): never {
  for (const text of violations) say({ type: "violation", text });
  process.exit(VIOLATION_EXIT_CODE);
}

/** Prints at once: what was said before a SIGKILL is read. */
function say(line: WriterLine): void {
  writeSync(STDOUT, formatLine(line));
}
