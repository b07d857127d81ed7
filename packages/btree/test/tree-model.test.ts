import { expect, test } from "vitest";
import { type Random, createRandom, pick } from "@kvs/env";
import { MemoryPages, type MemoryPagesOptions } from "./memory-pages.ts";
import { Model, TestTree, drawKey, drawValue, expectSameRows, visibleAt } from "./test-tree.ts";

interface Walk {
  readonly seed: number;
  readonly steps: number;
  readonly checkEvery: number;
  readonly pages?: MemoryPagesOptions;
}

/** Random operations on a tree and on a model, which must agree all the time. */
async function walk({ seed, steps, checkEvery, pages: options = {} }: Walk): Promise<TestTree> {
  const random = createRandom(seed);
  const pages = new MemoryPages({ ...options, random: random.split("evict") });
  const tree = new TestTree(pages);
  const model = new Model();
  const keys: Uint8Array[] = [];
  let horizon = -1;
  let version = 1;
  for (let step = 0; step < steps; step++) {
    version += random.below(3) === 0 ? 2 ** 33 : 1;
    horizon = act(random, { tree, model, keys, version, horizon });
    if (step % checkEvery === 0 || step === steps - 1) {
      await tree.check();
      compareReads(random, { tree, model, keys, version, horizon });
    }
  }
  return tree;
}

interface Scene {
  readonly tree: TestTree;
  readonly model: Model;
  readonly keys: Uint8Array[];
  readonly version: number;
  readonly horizon: number;
}

/** One operation; returns the horizon after it. */
function act(random: Random, scene: Scene): number {
  const action = random.below(20);
  if (action < 13 || scene.keys.length === 0) return insert(random, scene);
  if (action < 16) return takeBack(random, scene);
  const { tree, keys, version, horizon } = scene;
  if (action < 19) {
    const raised = random.chance(0.5) ? horizon : pick(random, [version - 1, version / 2]);
    const next = Math.max(horizon, Math.floor(raised));
    tree.vacuumAt(pick(random, keys), next);
    return next;
  }
  if (random.chance(0.9)) return horizon;
  tree.vacuumAll(version);
  return version;
}

function insert(random: Random, { tree, model, keys, version, horizon }: Scene): number {
  const isOld = keys.length > 0 && random.chance(0.4);
  const key = isOld ? pick(random, keys) : drawKey(random);
  if (!isOld) keys.push(key);
  const value = drawValue(random, key.length);
  tree.insert(key, version, value, random.chance(0.7) ? horizon : -1);
  model.insert({ key, version, value });
  return horizon;
}

/** Removes a row that was never published, or one that is not there. */
function takeBack(random: Random, { tree, model, keys, version, horizon }: Scene): number {
  const row = model.rows.length > 0 ? pick(random, model.rows) : undefined;
  if (row !== undefined && row.version > horizon) {
    tree.remove(row.key, row.version);
    model.remove(row.key, row.version);
  } else {
    tree.remove(pick(random, keys), version);
  }
  return horizon;
}

function compareReads(random: Random, { tree, model, keys, version, horizon }: Scene): void {
  const rows = tree.rows();
  for (const at of [horizon, version, Math.floor((horizon + version) / 2)]) {
    if (at >= 0) expectSameRows(visibleAt(rows, at), model.visibleAt(at));
  }
  for (let count = 0; count < 10 && keys.length > 0; count++) {
    const key = pick(random, [pick(random, keys), drawKey(random)]);
    const at = Math.max(0, horizon) + random.below(2 ** 32);
    expect(tree.find(key, at)?.value).toEqual(model.find(key, at)?.value);
  }
}

test("REL-P5 a small tree agrees with the model after every operation", async () => {
  for (let seed = 1; seed <= 14; seed++) {
    await walk({ seed, steps: 150, checkEvery: 1, pages: { comparesAll: true } });
  }
});

test("REL-P5 a large tree agrees with the model", async () => {
  for (let seed = 1; seed <= 3; seed++) await walk({ seed, steps: 4000, checkEvery: 500 });
});

test("REL-P5 a tree in four frames agrees with the model", async () => {
  for (let seed = 1; seed <= 8; seed++) {
    const tree = await walk({ seed, steps: 400, checkEvery: 100, pages: { frames: 4 } });
    expect(tree.pages.misses).toBeGreaterThan(100);
    expect(tree.pages.pagesChangedMax).toBeLessThanOrEqual(4);
  }
});
