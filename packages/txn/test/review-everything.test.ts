import { type Environment, createRandom, isKvsError, yieldTurn } from "@kvs/env";
import { type DiskCall, type DiskVerdict, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { type Mutation, type Store } from "../src/index.ts";
import { copyOf, restoreInto } from "./copy-fixture.ts";
import { bytes, contentOf, del, expectSound, newStorage, put, withStore } from "./fixture.ts";
import { SEALED } from "./sealed-fixture.ts";

const OPTIONS = { ...SEALED, memoryBytes: 52 * 4096 };
const KEYS = 240;
const LOADED_ROWS = 120;
/** One that rotates keys, one that closes the store in the middle of everything. */
const SEEDS = [2, 3];

/** Batch n: a counter, some rows, long ones among them, and deletes. */
function batchOf(n: number): Mutation[] {
  const random = createRandom(n);
  const mutations: Mutation[] = [put("counter", String(n))];
  const rows = n % 16 < 8 ? 4 : 1; // it grows, then it shrinks
  for (let row = 0; row < rows; row++) {
    const length = random.chance(0.1) ? 9000 : random.below(400);
    mutations.push(put(`key ${random.below(KEYS)}`, `${n} `.padEnd(length, "v")));
  }
  for (let row = 0; row < 5 - rows; row++) mutations.push(del(`key ${random.below(KEYS)}`));
  return mutations;
}

/** What the batches up to n leave. */
function contentAfter(n: number): Record<string, string> {
  const content: Record<string, string> = {};
  for (let at = 0; at <= n; at++) {
    for (const mutation of batchOf(at)) {
      const key = String.fromCharCode(...mutation.key);
      if (mutation.type === "delete") delete content[key];
      else content[key] = String.fromCharCode(...mutation.value);
    }
  }
  return content;
}

async function expectPrefix(store: Store, atLeast: number): Promise<void> {
  const content = await contentOf(store);
  const counter = Number(content["counter"] ?? -1);
  expect(counter).toBeGreaterThanOrEqual(atLeast);
  expect(content).toEqual(contentAfter(counter));
  for (const [name, tree] of store.trees()) {
    if (name === "main") continue;
    expect([0, LOADED_ROWS]).toContain(Object.keys(await contentOf(store, { tree })).length);
  }
  await expectSound(store);
}

/** Everything that a store does, at the same time, until its time is over. */
class Life {
  answered = -1;
  readonly copies: { readonly bytes: Uint8Array; readonly atLeast: number }[] = [];
  readonly #store: Store;
  readonly #environment: Environment;
  #isOver = false;
  #isReverse = false;

  constructor(store: Store, environment: Environment) {
    this.#store = store;
    this.#environment = environment;
  }

  async run(seed: number, batches: number, isClosedEarly: boolean): Promise<void> {
    const store = this.#store;
    const random = createRandom(seed);
    const others = [
      this.#repeat(() => this.#copy()),
      this.#repeat(() => this.#copy()),
      this.#repeat(() => store.checkpoint()),
      this.#repeat(() => store.compact()),
      this.#repeat(() => this.#load(random.nextUint32())),
      this.#repeat(() => this.#scan()),
    ];
    if (seed % 2 === 0) others.push(this.#repeat(() => store.rotateKeys()));
    const first = this.answered + 1;
    for (let n = first; n < first + batches; n++) {
      await this.#put(batchOf(n));
      this.answered = n;
      for (let turn = random.below(12); turn > 0; turn--) await this.#turn();
    }
    this.#isOver = true;
    if (isClosedEarly) await store.close();
    await Promise.all(others);
    if (!isClosedEarly) await expectPrefix(store, this.answered);
  }

  async #repeat(body: () => Promise<unknown>): Promise<void> {
    while (!this.#isOver) {
      try {
        await body();
      } catch (error) {
        const mayPass = isKvsError(error) && error.retryable;
        if (!mayPass && !isKvsError(error, "TXN_CLOSED")) throw error;
      }
      await this.#turn();
    }
  }

  /** Until there is room for it. */
  async #put(batch: readonly Mutation[]): Promise<void> {
    for (;;) {
      try {
        await this.#store.batch(batch);
        return;
      } catch (error) {
        if (!isKvsError(error) || !error.retryable || error.outcome !== "none") throw error;
      }
      await this.#turn();
    }
  }

  async #copy(): Promise<void> {
    const atLeast = this.answered;
    const copy = await copyOf(this.#slowly(this.#store.hotCopy()));
    this.copies.push({ bytes: copy, atLeast });
  }

  async *#slowly(copy: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of copy) {
      yield piece;
      for (let turn = 0; turn < 20; turn++) await this.#turn();
    }
  }

  async #load(number: number): Promise<void> {
    const tree = await this.#store.openTree(`loaded ${number % 8}`);
    const rows = Array.from({ length: LOADED_ROWS }, (_, at) => ({
      key: bytes(`row ${String(at).padStart(4, "0")}`),
      value: bytes("l".repeat(at % 30 === 3 ? 6000 : 90)),
    }));
    try {
      await this.#store.load(rows, tree);
    } catch (error) {
      if (!isKvsError(error, "TXN_TREE_NOT_EMPTY")) throw error;
      const removed = rows.map(({ key }) => ({ type: "delete", key, tree }) as const);
      await this.#store.batch(removed);
    }
  }

  /** A snapshot shows the same all the time. */
  async #scan(): Promise<void> {
    const snapshot = this.#store.snapshot();
    const content: Record<string, string> = {};
    this.#isReverse = !this.#isReverse;
    for await (const { key, value } of this.#store.scan({ snapshot, reverse: this.#isReverse })) {
      content[String.fromCharCode(...key)] = String.fromCharCode(...value);
      await this.#turn();
    }
    snapshot.close();
    expect(content).toEqual(contentAfter(Number(content["counter"] ?? -1)));
  }

  #turn(): Promise<void> {
    return yieldTurn(this.#environment.clock);
  }
}

test("copies, checkpoints, compactions, loads, rotations, scans and writers at once, a full disk now and then", async () => {
  for (const seed of SEEDS) {
    const storage = newStorage(seed);
    const random = createRandom(seed + 1000);
    const images: { readonly image: SimStorage; readonly atLeast: number }[] = [];
    let life: Life | undefined;
    let calls = 0;
    let fullFor = 0;
    const onCall = ({ operation }: DiskCall): DiskVerdict | undefined => {
      if (life === undefined || life.answered < 0) return undefined;
      if (calls++ % 400 === 399) {
        const atLeast = life.answered;
        const mode = random.chance(0.5) ? "worst-case" : "subset";
        images.push({ image: storage.sampleCrashImage(random, mode), atLeast });
      }
      if (!["allocate", "open", "rename"].includes(operation)) return undefined;
      if (fullFor === 0 && random.chance(0.05)) fullFor = 1 + random.below(30);
      if (fullFor === 0) return undefined;
      fullFor--;
      return { type: "error", code: "DISK_FULL" };
    };
    const copies: { readonly bytes: Uint8Array; readonly atLeast: number }[] = [];
    await withStore(
      storage,
      async (store, environment) => {
        life = new Life(store, environment);
        await life.run(seed, 40, seed % 3 === 0);
        copies.push(...life.copies);
      },
      { store: OPTIONS, world: { answers: "in-turn", disk: { onCall } } },
    );
    expect(copies.length + images.length).toBeGreaterThan(1);
    for (const { image, atLeast } of images) {
      await withStore(image, (store) => expectPrefix(store, atLeast), { store: OPTIONS });
    }
    for (const copy of copies) {
      const target = newStorage(2);
      await restoreInto(target, copy.bytes);
      await withStore(target, (store) => expectPrefix(store, copy.atLeast), { store: OPTIONS });
    }
  }
});
