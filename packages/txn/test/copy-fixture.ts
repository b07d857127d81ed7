import { type Environment, createRandom } from "@kvs/env";
import { InstantWorld, type InstantWorldOptions, type SimStorage } from "@kvs/sim";

import { type RestoredCopy, type Store, restoreCopy } from "../src/index.ts";
import { newStorage } from "./fixture.ts";

/** All bytes of a copy. */
export async function copyOf(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of source) {
    pieces.push(piece.slice());
    length += piece.length;
  }
  const copy = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    copy.set(piece, at);
    at += piece.length;
  }
  return copy;
}

/** A copy in pieces of this length, as a network would bring it. */
export async function* inPieces(copy: Uint8Array, length = 50_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < copy.length; at += length) yield copy.subarray(at, at + length);
}

/** A fresh disk with the store that the copy holds. */
export async function restored(copy: Uint8Array): Promise<SimStorage> {
  const storage = newStorage(2);
  await restoreInto(storage, copy);
  return storage;
}

/** Restores a copy in a process of its own. */
export async function restoreInto(
  storage: SimStorage,
  copy: Uint8Array,
  options: InstantWorldOptions = {},
): Promise<RestoredCopy> {
  const world = new InstantWorld(storage, { random: createRandom(77), ...options });
  try {
    return await world.run((environment: Environment) =>
      restoreCopy(environment, inPieces(copy), "store"),
    );
  } finally {
    storage.processDied(world.environment.disk);
  }
}

/** Puts values of some length, one batch after the other, until told to stop. */
export class Writer {
  /** What was answered, in order. */
  readonly answered: string[] = [];
  #isStopped = false;
  #done: Promise<void> | undefined;

  start(store: Store, put: (round: number) => Parameters<Store["batch"]>[0]): void {
    this.#done = this.#run(store, put);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(store: Store, put: (round: number) => Parameters<Store["batch"]>[0]): Promise<void> {
    for (let round = 0; !this.#isStopped; round++) {
      await store.batch(put(round));
      this.answered.push(String(round));
    }
  }
}
