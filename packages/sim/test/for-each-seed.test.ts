import { type KvsError } from "@kvs/env";
import { expect, test } from "vitest";
import {
  forEachSeed,
  forEachSeedAsync,
  type SeedRun,
  SHRINK_RUNS_MAX,
} from "../src/for-each-seed.ts";

/** Runs a property that must fail, and returns the error and the sizes it was run with. */
function failureOf(
  size: number,
  body: (run: SeedRun) => void,
): { error: KvsError; sizes: readonly number[] } {
  const sizes: number[] = [];
  try {
    forEachSeed({ seeds: 5, firstSeed: 10, size }, (run) => {
      sizes.push(run.size);
      body(run);
    });
  } catch (error) {
    return { error: error as KvsError, sizes };
  }
  throw new Error("the property held");
}

test("a property that holds runs once a seed, with chance from the seed alone", () => {
  const runs: string[] = [];
  forEachSeed({ seeds: 3 }, ({ seed, size, random }) => {
    runs.push(`${seed} ${size} ${random.nextUint32()}`);
  });
  const again: string[] = [];
  forEachSeed({ seeds: 1, firstSeed: 2 }, ({ seed, size, random }) => {
    again.push(`${seed} ${size} ${random.nextUint32()}`);
  });

  expect(runs.map((run) => run.split(" ").slice(0, 2))).toEqual([
    ["1", "100"],
    ["2", "100"],
    ["3", "100"],
  ]);
  expect(again).toEqual([runs[1]]);
});

test("a failure names the seed, the smallest failing size and how to repeat it", () => {
  const { error } = failureOf(100, ({ seed, size }) => {
    if (seed === 12 && size >= 7) throw new Error(`too much: ${size}`);
  });

  expect(error).toMatchObject({
    code: "SIM_SEED_FAILED",
    details: { seed: 12, size: 7 },
    cause: { message: "too much: 7" },
    message:
      "SIM_SEED_FAILED: seed 12 fails at size 7 (100 shrunk in 7 runs): too much: 7\n" +
      "repeat it with { firstSeed: 12, seeds: 1, size: 7 }",
  });
});

test("the smallest failing size is found whatever it is, if larger ones fail too", () => {
  for (const threshold of [1, 2, 15, 16, 17, 18, 100, 999, 1000]) {
    const { error } = failureOf(1000, ({ size }) => {
      if (size >= threshold) throw new Error("too much");
    });

    expect(error.details).toEqual({ seed: 10, size: threshold });
  }
});

test("a failure that needs the full size is reported as it is", () => {
  const { error } = failureOf(1, () => {
    throw new Error("always");
  });

  expect(error.message).toContain("seed 10 fails at size 1: always");
});

test("shrinking has a bound", () => {
  const { error, sizes } = failureOf(2 ** 40, ({ size }) => {
    if (size === 2 ** 40) throw new Error("only there");
  });

  expect(error.details["size"]).toBe(2 ** 40);
  expect(sizes.length).toBeLessThanOrEqual(SHRINK_RUNS_MAX + 2);
});

test("a body that passes the second time is not deterministic", () => {
  let runs = 0;
  const { error } = failureOf(100, () => {
    if (runs++ === 0) throw new Error("once");
  });

  expect(error.message).toContain("seed 10 at size 100 is not deterministic");
  expect(error.message).toContain("its second passed\nfirst run: once");
  expect(error.details["isDeterministic"]).toBe(false);
});

test("a body that fails otherwise the second time is not deterministic", () => {
  let runs = 0;
  const { error } = failureOf(100, () => {
    throw `attempt ${runs++}`;
  });

  expect(error.message).toContain("its second failed with: attempt 1\nfirst run: attempt 0");
});

test("even a body that throws undefined has failed", () => {
  const { error } = failureOf(1, () => {
    throw undefined;
  });

  expect(error.message).toContain("fails at size 1: undefined");
});

test("bodies that wait run one at a time, and shrink the same way", async () => {
  let open = 0;
  const run = forEachSeedAsync({ seeds: 3, size: 50 }, async ({ seed, size }) => {
    open++;
    await Promise.resolve();
    expect(open).toBe(1);
    open--;
    if (seed === 2 && size > 20) throw new Error("late");
  });

  await expect(run).rejects.toMatchObject({ details: { seed: 2, size: 21 } });
  await forEachSeedAsync({ seeds: 1 }, () => Promise.resolve());
});

test("a property without seeds or size is a mistake", () => {
  expect(() => forEachSeed({ seeds: 0 }, () => undefined)).toThrow("at least one seed");
  expect(() => forEachSeed({ seeds: 1, size: 0 }, () => undefined)).toThrow("a size of at least 1");
});
