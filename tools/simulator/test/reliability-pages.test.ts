import { createRandom, sleep } from "@kvs/env";
import { InstantWorld, SimStorage } from "@kvs/sim";
import { Store, VALUE_BYTES_MAX } from "@kvs/txn";
import { expect, test } from "vitest";
import { LONG_SCRIPT } from "../src/scenarios/storage/long-script.ts";
import { MAIN } from "../src/scenarios/storage/modelled-store.ts";
import { readPagePartition } from "../src/scenarios/storage/page-partition.ts";
import { SHORT_SCRIPT } from "../src/scenarios/storage/short-script.ts";
import { StoreModel } from "../src/scenarios/storage/store-model.ts";

const PAGES = "store/pages.kvs";
/** Longer than the store needs to give back the pages of two long values. */
const JANITOR_MS = 1000;

// REL-P3
test("each page of a closed store is reachable exactly once or free, as its bytes say", async () => {
  const compressed = { compression: { values: true } };
  for (const [subject, options] of [
    [SHORT_SCRIPT, {}],
    [LONG_SCRIPT, {}],
    [LONG_SCRIPT, compressed],
  ] as const) {
    const storage = new SimStorage({ random: createRandom(1) });
    await new InstantWorld(storage).run((environment) =>
      subject.run(environment, new StoreModel(MAIN), {}, options),
    );

    const { faults, used, byTree } = readPagePartition(storage.readFile(PAGES));

    expect(faults).toEqual([]);
    expect(used).toBeGreaterThan(5);
    expect(byTree.size).toBeGreaterThanOrEqual(2);
  }
});

// REL-P3
test("a wrong bit of a bitmap, and a page with two parents, are told by the bytes", async () => {
  const storage = new SimStorage({ random: createRandom(1) });
  await new InstantWorld(storage).run(async (environment) => {
    const store = await Store.open(environment, { path: "store", memoryBytes: 64 * 4096 });
    for (let row = 0; row < 40; row++) {
      await store.batch([{ type: "put", key: new Uint8Array([row]), value: new Uint8Array(500) }]);
    }
    await store.close();
  });
  const bytes = storage.readFile(PAGES);
  const pages = Array.from({ length: bytes.length / 4096 }, (_, page) => page);
  const root = pages.find((page) => bytes[page * 4096 + 4] === 4)!;
  const faultsAfter = (change: (copy: Uint8Array) => void): string => {
    const copy = bytes.slice();
    change(copy);
    return readPagePartition(copy).faults.join("\n");
  };
  const bitOf = (page: number): number => 2 * 4096 + 64 + (page >>> 3);

  expect(readPagePartition(bytes).faults).toEqual([]);
  const unmarked = faultsAfter((copy) => (copy[bitOf(root)]! &= ~(1 << (root & 7))));
  expect(unmarked).toMatch(new RegExp(`page ${root} of tree \\d+ is marked as free`));
  const last = pages.at(-1)!;
  const leaked = faultsAfter((copy) => (copy[bitOf(last)]! |= 1 << (last & 7)));
  expect(leaked).toBe(`page ${last} is used by nobody`);
  // The leftmost child is now the first separator's, too.
  const shared = faultsAfter((copy) => {
    const [cell, at] = [copy[root * 4096 + 92]! + 256 * copy[root * 4096 + 93]!, root * 4096];
    copy.copyWithin(at + 80, at + cell, at + cell + 4);
  });
  expect(shared).toMatch(/page \d+ is of tree 2 and of tree 2/);
  expect(shared).toMatch(/is used by nobody/);
});

// REL-P4
test("values at every boundary up to 16 MiB come back after a crash, and leave no page behind", async () => {
  const lengths = [16, 17, 900, 1000, 1001, 4031, 4032, 4033, 8064, 8065];
  const long = [VALUE_BYTES_MAX - 1, VALUE_BYTES_MAX];
  const options = { path: "store", memoryBytes: 64 * 4096 };
  const storage = new SimStorage({ random: createRandom(1) });
  const key = (length: number): Uint8Array =>
    new Uint8Array([1, length >>> 16, length >>> 8, length]);
  const valueOf = (length: number): Uint8Array => {
    const value = new Uint8Array(length);
    for (let at = 0; at < length; at += 61) value[at] = at >>> 3;
    return value;
  };
  await new InstantWorld(storage).run(async (environment) => {
    const store = await Store.open(environment, options);
    for (const length of [...lengths, ...long]) {
      await store.batch([{ type: "put", key: key(length), value: valueOf(length) }]);
    }
    const tooLong = new Uint8Array(VALUE_BYTES_MAX + 1);
    await expect(store.batch([{ type: "put", key: key(0), value: tooLong }])).rejects.toMatchObject(
      { code: "TXN_VALUE_TOO_LARGE", outcome: "none" },
    );
  });
  const crashed = storage.worstCase();
  await new InstantWorld(crashed).run(async (environment) => {
    const store = await Store.open(environment, options);
    for (const length of [...lengths, ...long]) {
      const found = await store.get(key(length));
      expect(found?.length).toBe(length);
      expect(Buffer.compare(found!, valueOf(length))).toBe(0);
      await store.batch([{ type: "delete", key: key(length) }]);
    }
    await sleep(environment.clock, JANITOR_MS);
    expect(await store.check()).toEqual([]);
    await store.close();
  });

  const { faults, used } = readPagePartition(crashed.readFile(PAGES));

  expect(faults).toEqual([]);
  expect(used).toBeLessThan(20);
});
