import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { type StoreFiles, damage } from "../src/hostile-files.ts";
import { HostileStores } from "../src/hostile-store.ts";
import { Sandbox } from "../src/sandbox.ts";
import { hostile } from "../src/scenarios/hostile.ts";

const ROUNDS = 100;

test(`${ROUNDS} stores with changed bytes answer what was written, or say what is wrong`, async () => {
  const sandbox = Sandbox.create();

  const result = await hostile.run({
    random: createRandom(3),
    sandbox,
    mutants: [],
    wantsMore: (done) => done < ROUNDS,
    progress: () => undefined,
  });
  sandbox.clean();

  expect(result.violations).toEqual([]);
  expect(result.rounds).toBe(ROUNDS);
  expect(result.counts["sound"]).toBeGreaterThan(0);
  expect(Object.keys(result.counts).length).toBeGreaterThan(4);
}, 120_000);

test("the same seed damages the same bytes, and gives the same outcome", async () => {
  const stores = await HostileStores.create();

  for (let seed = 0; seed < 10; seed++) {
    const one = await stores.try(seed);
    const other = await stores.try(seed);

    expect(other.outcomes).toEqual(one.outcomes);
  }
});

test("damage changes one file, a few bytes of it, and leaves the original as it was", () => {
  const page = new Uint8Array(4096).fill(3);
  const segment = new Uint8Array(512);
  segment.fill(7, 64, 128);
  new DataView(segment.buffer).setUint32(64 + 4, 32, true);
  const files: StoreFiles = new Map([
    ["pages.kvs", page],
    ["log/0.wal", segment],
  ]);
  const before = [...files.values()].map((bytes) => bytes.slice());

  for (let seed = 0; seed < 200; seed++) {
    const damaged = damage(files, createRandom(seed));

    const changes = [...files].map(([name, bytes]) => {
      const other = damaged.files.get(name)!;
      return bytes.filter((byte, at) => byte !== other[at]).length;
    });
    expect(Math.min(...changes)).toBe(0);
    expect(Math.max(...changes)).toBeLessThanOrEqual(12);
  }
  expect([...files.values()]).toEqual(before);
});
