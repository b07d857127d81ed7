import { AssertionFailure, createRandom, shuffle } from "@kvs/env";
import { expect, test } from "vitest";
import { KeyLocks, lockName } from "../../src/database/key-locks.ts";

test("free keys are held at once, others when they are released", async () => {
  const locks = new KeyLocks();
  expect(locks.acquire(["a", "b"])).toBeUndefined();
  expect(locks.acquire(["c"])).toBeUndefined();
  expect(locks.heldCount).toBe(3);
  const order: string[] = [];
  const waiting = locks.acquire(["b", "d"])!.then(() => order.push("got b and d"));
  await Promise.resolve();
  order.push("release");
  locks.release(["a", "b"]);
  await waiting;
  expect(order).toEqual(["release", "got b and d"]);
  locks.release(["b", "d"]);
  locks.release(["c"]);
  expect(locks.heldCount).toBe(0);
});

test("who waits for a key is served in the order of the calls", async () => {
  const locks = new KeyLocks();
  expect(locks.acquire(["key"])).toBeUndefined();
  const served: number[] = [];
  const waiting = Array.from({ length: 50 }, (_, caller) =>
    locks.acquire(["key"])!.then(() => {
      served.push(caller);
      locks.release(["key"]);
    }),
  );
  locks.release(["key"]);
  await Promise.all(waiting);
  expect(served).toEqual(Array.from({ length: 50 }, (_, caller) => caller));
  expect(locks.heldCount).toBe(0);
});

test("holders of many keys never wait for each other, and never hold one key at once", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = createRandom(seed);
    const locks = new KeyLocks();
    const held = new Set<string>();
    const holders = Array.from({ length: 60 }, async () => {
      const keys = shuffle(
        random,
        Array.from({ length: 12 }, (_, key) => `key-${key}`),
      );
      const mine = keys.slice(0, 1 + random.below(8));
      await locks.acquire(mine);
      for (const key of mine) {
        expect(held.has(key)).toBe(false);
        held.add(key);
      }
      for (let turns = random.below(5); turns > 0; turns--) await Promise.resolve();
      for (const key of mine) held.delete(key);
      locks.release(mine);
    });
    await Promise.all(holders);
    expect(locks.heldCount).toBe(0);
  }
});

test("only a held key is released", () => {
  expect(() => new KeyLocks().release(["key"])).toThrow(AssertionFailure);
});

test("different keys have different names", () => {
  const keys = [[], [0], [0, 0], [1], [255], [255, 0], [194, 128], [128]];
  const names = new Set(keys.map((bytes) => lockName(Uint8Array.from(bytes))));
  expect(names.size).toBe(keys.length);
});
