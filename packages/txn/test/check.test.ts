import { type Environment } from "@kvs/env";
import { PageView, bitOf, setBits, toPageId } from "@kvs/pager";
import { InstantWorld, type SimStorage } from "@kvs/sim";
import { expect, test } from "vitest";

import { checkStore } from "../src/check.ts";
import { type Store } from "../src/index.ts";
import { type Forest } from "../src/forest.ts";
import { type OpenedEngine, openEngine } from "../src/open-store.ts";
import { resolveStoreOptions } from "../src/store-options.ts";
import { SMALL, newStorage, put, withStore } from "./fixture.ts";

async function filledStorage(): Promise<SimStorage> {
  const storage = newStorage();
  await withStore(storage, async (store) => {
    for (let at = 0; at < 30; at++) await store.batch([put(`key ${at}`, "v".repeat(600))]);
    await store.batch([put("long", "l".repeat(10_000))]);
    await store.close();
  });
  return storage;
}

/** Does something to an engine, and tells what its check finds then. */
async function findingsAfter(
  harm: (engine: OpenedEngine, environment: Environment) => void,
): Promise<string[]> {
  const world = new InstantWorld(await filledStorage());
  return world.run(async (environment) => {
    const engine = await openEngine(
      environment,
      resolveStoreOptions({ ...SMALL, memoryBytes: 1 << 20 }),
    );
    expect(await checkStore(engine.pager, engine.forest)).toEqual([]);
    harm(engine, environment);
    const findings = await checkStore(engine.pager, engine.forest);
    return findings.map(({ type, tree, page }) => `${type} ${tree} ${page}`);
  });
}

const BITMAP = toPageId(2);

function setBit({ pager }: OpenedEngine, page: number, isUsed: boolean): void {
  const view = new PageView();
  pager.fetch(BITMAP, view);
  setBits(view, { first: bitOf(toPageId(page)), count: 1 }, isUsed);
}

test("a page that is marked and owned by nothing is leaked", async () => {
  const findings = await findingsAfter((engine) => {
    setBit(engine, engine.pager.space.take(1).first, true);
  });
  expect(findings).toEqual([expect.stringMatching(/^leaked {2}\d+$/)]);
});

test("a page that is in use and marked as free is found, and so is memory that differs", async () => {
  const root = 4;
  const findings = await findingsAfter((engine) => setBit(engine, root, false));
  expect(findings).toEqual([`unmarked  ${root}`, `unmarked  ${root}`]);

  const taken = await findingsAfter((engine) => void engine.pager.space.take(1));
  expect(taken).toEqual([expect.stringMatching(/^unmarked {2}\d+$/)]);
});

test("a page with two owners is shared", async () => {
  const world = new InstantWorld(await filledStorage());
  await world.run(async (environment) => {
    const { pager, forest } = await openEngine(environment, resolveStoreOptions(SMALL));
    const twice = { names: () => forest.names(), all: () => [forest.tree(2), ...forest.all()] };
    const findings = await checkStore(pager, twice as unknown as Forest);
    expect(findings.length).toBeGreaterThan(8);
    expect(new Set(findings.map(({ type }) => type))).toEqual(new Set(["shared"]));
  });
});

test("damage of single pages is found, and the rest is looked at all the same", async () => {
  const storage = await filledStorage();
  const pages = storage.readFile("store/pages.kvs").length / 4096;
  let found = 0;
  for (let page = 3; page < pages; page++) {
    const damaged = storage.clone();
    damaged.flipBit("store/pages.kvs", (page * 4096 + 2000) * 8);
    const isUsed = storage.readFile("store/pages.kvs").subarray(page * 4096)[4] !== 0;
    try {
      const look = async (store: Store): Promise<void> => {
        const findings = await store.check();
        if (findings.some((finding) => finding.page === page)) found++;
        else if (findings.length === 0) expect(isUsed, `page ${page}`).toBe(false);
      };
      await withStore(damaged, look, { isDamaged: true });
    } catch {
      found++; // the catalog's root: nothing can be opened without it
    }
  }
  expect(found).toBeGreaterThan(8);
});
