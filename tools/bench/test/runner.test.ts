import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { type RunOptions, runMeasures } from "../src/runner.ts";
import { type Contender, type Measure } from "../src/suite.ts";

const everything: RunOptions = {
  isQuick: false,
  wantsRow: () => true,
  wantsPeer: () => true,
  progress: () => undefined,
};

/** Gives the values one after the other; notes who ran. */
function contender(name: string, values: readonly number[], log: string[]): Contender {
  let next = 0;
  return {
    run: async ({ isWarmUp }) => {
      log.push(isWarmUp ? `${name}-warm` : name);
      return { value: isWarmUp ? 1 : values[next++ % values.length]!, cpuMicrosPerOp: 3 };
    },
  };
}

test("a measure alone is warmed up, then sampled five times", async () => {
  const log: string[] = [];
  const measure: Measure = { id: "s.m", unit: "1/s", ...contender("A", [5, 1, 9, 4, 6], log) };

  const { rows } = await runMeasures([measure], everything);

  expect(log).toEqual(["A-warm", "A", "A", "A", "A", "A"]);
  expect(rows).toEqual([{ id: "s.m", unit: "1/s", value: 5, spread: [1, 9], cpuMicrosPerOp: 3 }]);
});

test("a comparison alternates and divides within each pair", async () => {
  const log: string[] = [];
  const measure: Measure = {
    id: "s.m.64",
    unit: "1/s",
    ...contender("A", [10, 20, 30, 40, 50], log),
    peers: [{ name: "peer", ...contender("B", [10, 10, 10, 10, 100], log) }],
  };

  const { rows } = await runMeasures([measure], {
    ...everything,
    wantsRow: (id) => id.includes("@"),
  });

  expect(log.join("")).toBe("A-warmB-warmABBAABBAAB");
  expect(rows).toEqual([
    {
      id: "s.m.64@peer",
      unit: "1/s",
      value: 30,
      peer: "peer",
      peerValue: 10,
      ratio: 2, // of 1, 2, 3, 4, 0.5
      spread: [0.5, 4],
      cpuMicrosPerOp: 3,
    },
  ]);
});

test("for times the ratio is turned over", async () => {
  const measure: Measure = {
    id: "s.time",
    unit: "ms",
    better: "less",
    ...contender("A", [2], []),
    peers: [{ name: "peer", ...contender("B", [8], []) }],
  };

  const { rows } = await runMeasures([measure], everything);

  expect(rows.map(({ id, ratio }) => [id, ratio])).toEqual([
    ["s.time", undefined],
    ["s.time@peer", 4],
  ]);
});

test("a peer that is not there is named with its reason, and the rest goes on", async () => {
  const measure: Measure = {
    id: "s.m",
    unit: "1/s",
    ...contender("A", [1], []),
    peers: [
      {
        name: "absent",
        prepare: async () => ({ type: "unavailable", reason: "not installed" }),
        run: () => Promise.reject(new Error("an absent peer is never run")),
      },
      { name: "there", ...contender("B", [1], []) },
    ],
  };

  const { rows, skipped } = await runMeasures([measure], everything);

  expect(rows.map(({ id }) => id)).toEqual(["s.m", "s.m@there"]);
  expect(skipped).toEqual([{ id: "s.m@absent", reason: "not installed" }]);
});

test("what was prepared is undone, also when a sample fails", async () => {
  const log: string[] = [];
  let folder = "";
  const measure: Measure = {
    id: "s.m",
    unit: "1/s",
    prepare: async (context) => {
      ({ folder } = context);
      log.push("prepare", String(existsSync(folder)));
      return { type: "ready", dispose: () => void log.push("dispose") };
    },
    run: () => Promise.reject(new Error("a broken sample")),
  };

  await expect(runMeasures([measure], everything)).rejects.toThrow("a broken sample");
  expect(log).toEqual(["prepare", "true", "dispose"]);
  expect(existsSync(folder)).toBe(false);
});

test("a quick run takes one sample of a tenth of the size", async () => {
  const sizes: number[] = [];
  const measure: Measure = {
    id: "s.m",
    unit: "1/s",
    run: async (context) => {
      if (!context.isWarmUp) sizes.push(context.operations(1000));
      return { value: 1 };
    },
  };

  await runMeasures([measure], { ...everything, isQuick: true });
  await runMeasures([measure], everything);

  expect(sizes).toEqual([100, 1000, 1000, 1000, 1000, 1000]);
});

test("a measure may ask for fewer samples, and one long sample tells its own spread", async () => {
  const short: Measure = { id: "s.two", unit: "ms", samples: 2, ...contender("A", [1, 3], []) };
  const long: Measure = {
    id: "s.one",
    unit: "MB",
    samples: 1,
    run: async () => ({ value: 9, spread: [4, 9] }),
  };

  const { rows } = await runMeasures([short, long], everything);

  expect(rows).toEqual([
    { id: "s.two", unit: "ms", value: 2, spread: [1, 3], cpuMicrosPerOp: 3 },
    { id: "s.one", unit: "MB", value: 9, spread: [4, 9] },
  ]);
});

test("what a contender found about this machine stands at its row", async () => {
  const measure: Measure = {
    id: "s.m",
    unit: "1/s",
    prepare: async () => ({ type: "ready", note: "page cache emptied" }),
    ...contender("A", [1], []),
    peers: [{ name: "peer", ...contender("B", [1], []) }],
  };

  const { rows } = await runMeasures([measure], { ...everything, isQuick: true });

  expect(rows.map(({ note }) => note)).toEqual(["page cache emptied", "page cache emptied"]);
});
