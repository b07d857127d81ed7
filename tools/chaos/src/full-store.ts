import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { KvsError, type Random } from "@kvs/env";
import { type Mutation, type Store } from "@kvs/txn";
import { type StoreSettings, openStore } from "./store-settings.ts";
import { textOf } from "./workload.ts";

const CALLERS = 4;
/** Refusals in a row after which a caller takes the disk for full. */
const REFUSALS_IN_A_ROW = 3;
/** Rows deleted in one step, each by a batch of its own. */
const DELETES = 500;
/** Rows written in one step when there is space again. */
const WRITES = 50;
const WRITE_TRIES_MAX = 250;
const DELETE_TRIES_MAX = 100;
const RETRY_MS = 20;

/**
 * A store that is filled until its disk is full, and what it must hold. Every value is unique. A
 * method that finds a promise broken throws.
 */
export class FullStore {
  readonly #settings: StoreSettings;
  readonly #random: Random;
  readonly #rows = new Map<string, string>();
  /** Keys of batches that were refused: they are not there. */
  readonly #refused = new Set<string>();
  /** Refusals, by kind and code. */
  readonly refusals: Map<string, number> = new Map<string, number>();
  acknowledged = 0;
  #store: Store;
  #serial = 0;

  private constructor(settings: StoreSettings, random: Random, store: Store) {
    this.#settings = settings;
    this.#random = random;
    this.#store = store;
  }

  static async open(settings: StoreSettings, random: Random): Promise<FullStore> {
    return new FullStore(settings, random, await openStore(settings));
  }

  /** Writes by several callers until each was refused a few times in a row. */
  async fill(): Promise<void> {
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        let refusals = 0;
        while (refusals < REFUSALS_IN_A_ROW) refusals = (await this.#put()) ? 0 : refusals + 1;
      }),
    );
    assert(!this.#store.isPoisoned, "a full disk does not end all writing");
  }

  /** Deletes rows, oldest first. Refused while a checkpoint makes room, a delete is repeated. */
  async deleteSome(): Promise<void> {
    for (const key of [...this.#rows.keys()].slice(0, DELETES)) {
      for (let tries = 1; !(await this.#delete(key)); tries++) {
        assert(tries < DELETE_TRIES_MAX, `${key} is deleted within ${tries} tries`);
        await wait(RETRY_MS);
      }
      this.#rows.delete(key);
    }
  }

  checkpoint(): Promise<void> {
    return this.#store.checkpoint();
  }

  /** Writes rows, repeating what is refused, without opening the store again. */
  async writeAgain(): Promise<void> {
    const before = this.#rows.size;
    for (let tries = 0; this.#rows.size < before + WRITES; tries++) {
      assert(
        tries < WRITE_TRIES_MAX,
        `writes go on: ${this.#rows.size - before} in ${tries} tries`,
      );
      if (!(await this.#put())) await wait(RETRY_MS);
    }
  }

  /** Reads all that is there, and compares it with what was answered. */
  async verify(): Promise<void> {
    const left = new Map(this.#rows);
    for await (const { key, value } of this.#store.scan()) {
      const name = textOf(key);
      assert(!this.#refused.has(name), `what was refused is not there: ${name}`);
      assert.equal(textOf(value), left.get(name), `the value of ${name}`);
      left.delete(name);
    }
    assert.deepEqual([...left.keys()], [], "what was answered is there");
  }

  async check(): Promise<void> {
    assert.deepEqual(await this.#store.check(), []);
    await this.verify();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async reopen(): Promise<void> {
    this.#store = await openStore(this.#settings);
  }

  /** @returns Whether the row was deleted; if not, it was refused as it may be. */
  #delete(key: string): Promise<boolean> {
    return this.#try("delete", { type: "delete", key: Buffer.from(key) });
  }

  /** @returns Whether the row was written; if not, it was refused as it may be. */
  async #put(): Promise<boolean> {
    const key = `row/${String(++this.#serial).padStart(6, "0")}`;
    const value = `${key};`.repeat(1 + this.#random.below(this.#random.chance(0.1) ? 4000 : 100));
    const mutation = { type: "put", key: Buffer.from(key), value: Buffer.from(value) } as const;
    if (await this.#try("put", mutation)) {
      this.#rows.set(key, value);
      return true;
    }
    this.#refused.add(key);
    return false;
  }

  async #try(what: string, mutation: Mutation): Promise<boolean> {
    try {
      await this.#store.batch([mutation]);
      this.acknowledged++;
      return true;
    } catch (error) {
      if (!(error instanceof KvsError) || !error.retryable || error.outcome !== "none") throw error;
      const refusal = `${what} refused with ${error.code}`;
      this.refusals.set(refusal, (this.refusals.get(refusal) ?? 0) + 1);
      return false;
    }
  }
}
