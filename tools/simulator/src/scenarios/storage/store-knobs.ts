import { type Random, pick } from "@kvs/env";
import { SIM_EPOCH_MS } from "@kvs/sim";
import { type StoreOptions, timestampToMs } from "@kvs/txn";
import { toyKeyProvider } from "./toy-key-provider.ts";
import { boundaryLengths } from "./values.ts";

/** Log positions near which a counter that is not 53 bits wide goes wrong. */
const POSITIONS: readonly number[] = [0, 2 ** 31 - 20_000, 2 ** 32 - 20_000, 2 ** 53 - 2 ** 30];
/** The same for timestamps; they follow the wall clock, which is set accordingly. */
const TIMESTAMPS: readonly number[] = [2 ** 31 - 2000, 2 ** 32 - 2000, 2 ** 52 - 2000];
const FRAMES: readonly number[] = [4, 4, 5, 6, 8, 12, 16, 16, 64];
const SEGMENTS: readonly number[] = [4096, 8192, 16_384, 65_536];
const KEY_COUNTS: readonly number[] = [1, 3, 10, 100, 1000, 3000];

/** What differs between the stores of two seeds, and how they are used. */
export interface StoreKnobs {
  readonly store: StoreOptions;
  readonly frames: number;
  /** How far the wall clock is from the simulation's. */
  readonly clockOffsetMs: number;
  readonly keyCount: number;
  readonly keyForm: "short" | "prefixed" | "long";
  /** Lengths of values are drawn from these. */
  readonly valueLengths: readonly number[];
  readonly mutationsMax: number;
  readonly deleteShare: number;
  readonly writers: number;
  readonly readers: number;
  /** Pages that are filled before anything else happens. */
  readonly prefillPages: number;
  /** Space on the disk; `undefined`: more than enough. */
  readonly totalBytes: number | undefined;
  /** Batches of one life, until it closes the store in good order. */
  readonly batchesPerLife: number;
  /** Work of all lives: a row counts one, and another for each page of its value. */
  readonly work: number;
}

export function drawStoreKnobs(random: Random): StoreKnobs {
  const frames = pick(random, FRAMES);
  const timestamp = random.chance(0.4) ? pick(random, TIMESTAMPS) : undefined;
  const keyForm = pick(random, ["short", "short", "prefixed", "long"] as const);
  const keyCount = pick(random, KEY_COUNTS);
  const isLarge = random.chance(0.1);
  const mutationsMax = isLarge ? pick(random, [300, 1000, 10_000]) : pick(random, [1, 4, 12, 40]);
  return {
    store: {
      path: "store",
      memoryBytes: frames * 4096,
      segmentBytes: pick(random, SEGMENTS),
      checkpointLogBytes: pick(random, [16_384, 65_536, 1 << 20]),
      checkpointIntervalMs: pick(random, [200, 2000, 60_000]),
      startPosition: pick(random, POSITIONS),
      ...(random.chance(0.35) ? { encryption: { provider: toyKeyProvider } } : {}),
      ...(random.chance(0.5)
        ? { compression: { values: random.chance(0.7), log: random.chance(0.7) } }
        : {}),
    },
    frames,
    clockOffsetMs: timestamp === undefined ? 0 : timestampToMs(timestamp) - SIM_EPOCH_MS,
    keyCount,
    keyForm,
    valueLengths: drawLengths(random),
    mutationsMax,
    deleteShare: pick(random, [0, 0.1, 0.3, 0.6]),
    writers: 1 + random.below(4),
    readers: 1 + random.below(2),
    prefillPages: frames <= 16 && random.chance(0.5) ? 10 * frames : 0,
    totalBytes: random.chance(0.25) ? (6 << 20) + random.below(1 << 20) : undefined,
    batchesPerLife: pick(random, [20, 60, 400]),
    work: isLarge ? Math.max(600, 2 * mutationsMax) : 600,
  };
}

/** Short values alone, values at every boundary, or long ones. */
function drawLengths(random: Random): readonly number[] {
  const shape = random.below(4);
  if (shape === 0) return [0, 1, 8, 20, 100];
  if (shape === 1) return [300, 700, 900];
  if (shape === 2) return [...boundaryLengths(8), 20, 20, 100];
  return [10, 500, 4032, 5000, 12_096, 20_000];
}

/** The key of this number, of the form that the knobs say. */
export function keyOf(knobs: StoreKnobs, number: number): Uint8Array {
  const digits = number.toString(36).padStart(3, "0");
  const text =
    knobs.keyForm === "short"
      ? digits
      : knobs.keyForm === "prefixed"
        ? `${"collection/".repeat(12)}${digits}`
        : `${digits}${"~".repeat((number * 37) % 1000)}`;
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
