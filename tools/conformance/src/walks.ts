import { setTimeout } from "node:timers/promises";
import { type Key } from "@kvs/codec";

/** Everything that a walk gives. */
export async function collect<T>(walk: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of walk) items.push(item);
  return items;
}

/** The keys that a walk gives. */
export async function keysOf(walk: AsyncIterable<{ readonly key: Key }>): Promise<Key[]> {
  return (await collect(walk)).map(({ key }) => key);
}

/** Lets time pass, between two looks at something that will come. */
export function wait(ms: number): Promise<void> {
  return setTimeout(ms);
}
