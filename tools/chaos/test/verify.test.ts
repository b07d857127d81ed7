import { createRandom } from "@kvs/env";
import { type Mutation, type Store } from "@kvs/txn";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Sandbox } from "../src/sandbox.ts";
import { drawLife, drawStore, openStore } from "../src/store-settings.ts";
import { verifyStore } from "../src/verify.ts";
import {
  LAST_KEY,
  RING_SLOTS,
  type Trees,
  headKey,
  mutationsOf,
  openTrees,
  orderKey,
  ringKey,
  ringNumbers,
  ringTree,
} from "../src/workload.ts";

const CALLERS = 3;
const BATCHES = 40;

let sandbox: Sandbox;
let store: Store;
let trees: Trees;

/** A store in which each caller wrote so many batches. */
beforeEach(async () => {
  sandbox = Sandbox.create();
  const random = createRandom(1);
  store = await openStore({
    ...drawStore(random, `${sandbox.folder}/store`, sandbox.folder),
    ...drawLife(random),
  });
  trees = await openTrees(store);
  let order = 0;
  const writes: Promise<unknown>[] = [];
  for (let number = 1; number <= BATCHES; number++) {
    for (let caller = 0; caller < CALLERS; caller++) {
      writes.push(store.batch(mutationsOf({ caller, number, order: ++order }, trees)));
    }
  }
  await Promise.all(writes);
});

afterEach(async () => {
  await store.close();
  sandbox.clean();
});

function all(number: number): number[] {
  return Array.from({ length: CALLERS }, () => number);
}

async function violationsAfter(...damage: readonly Mutation[]): Promise<string> {
  await store.batch(damage);
  const expected = { acknowledged: all(BATCHES), asked: all(BATCHES + 1) };
  return (await verifyStore(store, expected)).violations.join("\n");
}

const bytes = (text: string): Uint8Array => Buffer.from(text);

test("a store that holds what was written has no violations", async () => {
  const expected = { acknowledged: all(BATCHES), asked: all(BATCHES) };

  expect(await verifyStore(store, expected)).toEqual({
    heads: all(BATCHES),
    last: CALLERS * BATCHES,
    violations: [],
  });
});

test("an answered batch that is not there, and one that nobody called for, are found", async () => {
  const lost = { acknowledged: all(BATCHES + 1), asked: all(BATCHES + 2) };
  const invented = { acknowledged: all(0), asked: all(BATCHES - 1) };

  expect((await verifyStore(store, lost)).violations).toHaveLength(CALLERS);
  expect((await verifyStore(store, invented)).violations).toHaveLength(CALLERS);
});

test("every row of a batch that is missing, old or too many is found", async () => {
  for (const caller of [0, 1]) {
    const slot = BATCHES % RING_SLOTS;
    const key = ringKey(caller, slot);
    const tree = ringTree(caller, trees);
    const value = (await store.get(key, tree))!;
    const empty = ringKey(caller, (BATCHES + 1) % RING_SLOTS);

    expect(await violationsAfter({ type: "delete", key, ...tree })).toContain("nothing instead of");
    expect(await violationsAfter({ type: "put", key, value: bytes("x"), ...tree })).toContain(
      '"x"',
    );
    await store.batch([{ type: "put", key, value, ...tree }]);
    expect(await violationsAfter({ type: "put", key: empty, value, ...tree })).toContain(
      "instead of nothing",
    );
    await store.batch([{ type: "delete", key: empty, ...tree }]);
  }
});

test("a head that does not belong to its ring is found", async () => {
  const head = String(BATCHES + 1);

  const violations = await violationsAfter({ type: "put", key: headKey(0), value: bytes(head) });

  expect(violations).toContain(`after batch ${head}`);
  expect(violations).toContain(`${BATCHES} by order, ${head} by head`);
});

test("a batch that is missing in the common order is found", async () => {
  const order = CALLERS * BATCHES - 5;

  const violations = await violationsAfter(
    { type: "delete", key: orderKey(order) },
    { type: "put", key: LAST_KEY, value: bytes(String(CALLERS * BATCHES)) },
  );

  expect(violations).toContain(`batch ${order} of`);
});

test("a ring holds its last batches, and none before the first", () => {
  expect(ringNumbers(0)).toEqual([]);
  expect(ringNumbers(2)).toEqual([1, 2]);
  expect(ringNumbers(100)).toHaveLength(RING_SLOTS - 1);
  expect(ringNumbers(100).at(-1)).toBe(100);
});
