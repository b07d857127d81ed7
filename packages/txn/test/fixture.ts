import { ByteWriter } from "@kvs/codec";
import { type Environment, createRandom, isKvsError } from "@kvs/env";
import { InstantWorld, type InstantWorldOptions, SimStorage } from "@kvs/sim";
import { expect } from "vitest";

import { writeMutation } from "../src/batch-format.ts";
import { MAIN_TREE, type Mutation, Store, type StoreOptions } from "../src/index.ts";

/** Few frames and short segments, so that a small store meets every limit. */
export const SMALL: StoreOptions = { path: "store", memoryBytes: 8 * 4096, segmentBytes: 16_384 };

export function newStorage(seed = 1): SimStorage {
  return new SimStorage({ random: createRandom(seed) });
}

/**
 * Runs a body with a store open, as a process of its own that is killed when the body is done. If the
 * store is still open then, its own check finds nothing wrong, unless the body damages it.
 */
export async function withStore<T>(
  storage: SimStorage,
  body: (store: Store, environment: Environment) => Promise<T>,
  options: WithStoreOptions = {},
): Promise<T> {
  const world = new InstantWorld(storage, options.world);
  try {
    return await world.run(async (environment) => {
      const store = await Store.open(environment, { ...SMALL, ...options.store });
      const result = await body(store, environment);
      if (options.isDamaged !== true) await expectSoundIfOpen(store);
      return result;
    });
  } finally {
    storage.processDied(world.environment.disk);
  }
}

interface WithStoreOptions {
  readonly store?: Partial<StoreOptions>;
  readonly world?: InstantWorldOptions;
  /** Whether the body leaves damage behind. */
  readonly isDamaged?: boolean;
}

async function expectSoundIfOpen(store: Store): Promise<void> {
  try {
    await expectSound(store);
  } catch (error) {
    if (!isKvsError(error)) throw error; // closed, or its disk is broken
  }
}

/** What a store holds, as text, by key. */
export async function contentOf(
  store: Store,
  options: Parameters<Store["scan"]>[0] = {},
): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const { key, value } of store.scan(options)) content[text(key)] = text(value);
  return content;
}

export function bytes(content: string): Uint8Array {
  return Uint8Array.from(content, (letter) => letter.charCodeAt(0));
}

export function text(content: Uint8Array): string {
  let letters = "";
  for (const byte of content) letters += String.fromCharCode(byte);
  return letters;
}

export function put(key: string, value: string, tree?: number): Mutation {
  const mutation = { type: "put", key: bytes(key), value: bytes(value) } as const;
  return tree === undefined ? mutation : { ...mutation, tree };
}

export function del(key: string, tree?: number): Mutation {
  const mutation = { type: "delete", key: bytes(key) } as const;
  return tree === undefined ? mutation : { ...mutation, tree };
}

/** A batch whose mutations stay in this order, all over the tree, for `Store.propose`. */
export function encodedAsIs(mutations: readonly Mutation[]): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(mutations.length);
  for (const mutation of mutations) {
    const { tree = MAIN_TREE, key } = mutation;
    writeMutation(writer, tree, key, mutation.type === "put" ? mutation.value : undefined);
  }
  return writer.toBytes();
}

/** Expects that a store finds nothing wrong with itself. */
export async function expectSound(store: Store): Promise<void> {
  expect(await store.check()).toEqual([]);
}

export function codeIs(code: string): unknown {
  return expect.objectContaining({ code });
}
