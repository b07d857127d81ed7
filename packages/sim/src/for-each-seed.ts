import { assert, createRandom, KvsError, type Random, type Seed } from "@kvs/env";

export interface ForEachSeedOptions {
  /** How many seeds to run, at least 1. */
  readonly seeds: number;
  /** The first of them; the others follow it. Default: 1. */
  readonly firstSeed?: Seed;
  /**
   * What every run gets as its `size`, at least 1. Default: 100. The body takes it as the bound of
   * its workload: operations, keys, bytes.
   */
  readonly size?: number;
}

/** One run of a property. All its chance comes from `random`, all its extent from `size`. */
export interface SeedRun {
  readonly seed: Seed;
  readonly size: number;
  /** Fresh, from `seed`. */
  readonly random: Random;
}

/** Runs spent on shrinking a failure at most: it must not take longer than finding it. */
export const SHRINK_RUNS_MAX = 100;

/**
 * Runs a property for many seeds, and stops at the first that breaks it.
 *
 * A failing run is repeated as it was, which tells a broken property from a body that is not
 * deterministic, and then with smaller sizes, smallest first, until one fails too.
 *
 * @param body Throws if the property does not hold.
 * @throws {KvsError} `SIM_SEED_FAILED` with seed and smallest failing size in `details`, the
 *   options that repeat it in the message, and the body's error as `cause`.
 */
export function forEachSeed(options: ForEachSeedOptions, body: (run: SeedRun) => void): void {
  const search = searchSeeds(options);
  let step = search.next();
  while (step.done !== true) {
    let failure: Failure | undefined;
    try {
      body(step.value);
    } catch (error) {
      failure = { error };
    }
    step = search.next(failure);
  }
  if (step.value !== undefined) throw step.value;
}

/** `forEachSeed` for bodies that wait. One run at a time. */
export async function forEachSeedAsync(
  options: ForEachSeedOptions,
  body: (run: SeedRun) => Promise<void>,
): Promise<void> {
  const search = searchSeeds(options);
  let step = search.next();
  while (step.done !== true) {
    let failure: Failure | undefined;
    try {
      await body(step.value);
    } catch (error) {
      failure = { error };
    }
    step = search.next(failure);
  }
  if (step.value !== undefined) throw step.value;
}

/** What a body threw; wrapped, for one may throw `undefined`. */
interface Failure {
  readonly error: unknown;
}

type SeedError = KvsError<"SIM_SEED_FAILED">;

/** Yields the runs to make, is told how each ended, and returns what to throw in the end. */
type SeedSearch<Result> = Generator<SeedRun, Result, Failure | undefined>;

function* searchSeeds(options: ForEachSeedOptions): SeedSearch<SeedError | undefined> {
  const { seeds, firstSeed = 1, size = 100 } = options;
  assert(Number.isInteger(seeds) && seeds >= 1, "a property runs for at least one seed");
  assert(Number.isInteger(size) && size >= 1, "a run has a size of at least 1");
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const failure = yield startRun(seed, size);
    if (failure === undefined) continue;
    const again = yield startRun(seed, size);
    if (again === undefined || describe(again) !== describe(failure)) {
      return notDeterministic({ seed, size }, failure, again);
    }
    return yield* shrink(seed, size, failure);
  }
  return undefined;
}

/** Tries smaller sizes: the smallest ones first, for their runs are short and easy to read. */
function* shrink(seed: Seed, size: number, failure: Failure): SeedSearch<SeedError> {
  let passed = 0;
  let smallest = size;
  let found = failure;
  let runs = 0;
  for (let at = 1; at < size && runs < SHRINK_RUNS_MAX / 2; at = nextSize(at)) {
    runs++;
    const smaller = yield startRun(seed, at);
    if (smaller !== undefined) {
      smallest = at;
      found = smaller;
      break;
    }
    passed = at;
  }
  while (smallest - passed > 1 && runs < SHRINK_RUNS_MAX) {
    runs++;
    const middle = passed + Math.floor((smallest - passed) / 2);
    const smaller = yield startRun(seed, middle);
    if (smaller === undefined) {
      passed = middle;
    } else {
      smallest = middle;
      found = smaller;
    }
  }
  const shrunk = smallest === size ? "" : ` (${size} shrunk in ${runs} runs)`;
  return new KvsError(
    "SIM_SEED_FAILED",
    `seed ${seed} fails at size ${smallest}${shrunk}: ${describe(found)}\n` +
      `repeat it with { firstSeed: ${seed}, seeds: 1, size: ${smallest} }`,
    { outcome: "none", details: { seed, size: smallest }, cause: found.error },
  );
}

/** One by one up to 16, then in growing strides: 60 sizes up to a million. */
function nextSize(size: number): number {
  return size < 16 ? size + 1 : Math.ceil(size * 1.25);
}

function startRun(seed: Seed, size: number): SeedRun {
  return { seed, size, random: createRandom(seed) };
}

function notDeterministic(
  run: { readonly seed: Seed; readonly size: number },
  failure: Failure,
  again: Failure | undefined,
): SeedError {
  const second = again === undefined ? "passed" : `failed with: ${describe(again)}`;
  return new KvsError(
    "SIM_SEED_FAILED",
    `seed ${run.seed} at size ${run.size} is not deterministic: its first run failed, its second ` +
      `${second}\nfirst run: ${describe(failure)}`,
    { outcome: "none", details: { ...run, isDeterministic: false }, cause: failure.error },
  );
}

function describe({ error }: Failure): string {
  return error instanceof Error ? error.message : String(error);
}
