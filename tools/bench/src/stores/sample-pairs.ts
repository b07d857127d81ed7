import { createRandom } from "@kvs/env";
import { type Pair } from "./embedded-store.ts";

const DIGITS = 12;
const PREFIX = "key_";
/** Different values in use: enough that no store's compression profits from repetition. */
const VALUES = 256;

/** The key of a number: 16 bytes, in the order of the numbers. */
export function keyOf(index: number): Uint8Array {
  return new TextEncoder().encode(keyTextOf(index));
}

/** The same key as text. */
export function keyTextOf(index: number): string {
  return PREFIX + String(index).padStart(DIGITS, "0");
}

/** `count` keys, each picked at random among the first `keySpace`. */
export function randomKeys(seed: number, count: number, keySpace: number): Uint8Array[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => keyOf(random.below(keySpace)));
}

/** Values of random bytes, which no compressor makes shorter. */
export function randomValues(valueBytes: number): Uint8Array[] {
  const random = createRandom(valueBytes);
  return Array.from({ length: VALUES }, () =>
    Uint8Array.from({ length: valueBytes }, () => random.below(256)),
  );
}

/** The pairs of `count` numbers from `from` on, `step` apart, in order. */
export function pairsFrom(
  from: number,
  count: number,
  values: readonly Uint8Array[],
  step = 1,
): Pair[] {
  return Array.from({ length: count }, (_, at) => ({
    key: keyOf(from + at * step),
    value: values[(from + at) % values.length]!,
  }));
}
