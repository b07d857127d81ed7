import { expect, test } from "vitest";
import { AssertionFailure } from "../src/assert.ts";
import { BoundedQueue } from "../src/bounded-queue.ts";
import { createRandom } from "../src/random.ts";
import { settle } from "./hand-clock.ts";

test("items leave in the order in which they came, up to the limit", () => {
  const queue = new BoundedQueue<number>(3);
  expect(queue.take()).toBe(undefined);
  expect([1, 2, 3, 4].map((item) => queue.offer(item))).toEqual([true, true, true, false]);
  expect([queue.count, queue.isFull]).toEqual([3, true]);
  expect([queue.take(), queue.take(), queue.take(), queue.take()]).toEqual([1, 2, 3, undefined]);
  expect([queue.count, queue.isFull]).toEqual([0, false]);
});

test("a producer waits while the queue is full", async () => {
  const queue = new BoundedQueue<string>(1);
  const added: string[] = [];
  for (const item of ["a", "b", "c"]) void queue.put(item).then(() => added.push(item));
  await settle();
  expect([added, queue.count]).toEqual([["a"], 1]);

  expect(queue.take()).toBe("a");
  await settle();
  expect([added, queue.count]).toEqual([["a", "b"], 1]);

  expect([queue.take(), queue.take(), queue.take()]).toEqual(["b", "c", undefined]);
  await settle();
  expect(added).toEqual(["a", "b", "c"]);
});

test("who comes later never overtakes a waiting producer", async () => {
  const queue = new BoundedQueue<string>(1);
  await queue.put("first");
  const waiting = queue.put("waiting");

  expect(queue.take()).toBe("first");
  expect(queue.offer("late")).toBe(false); // in the same turn, before the waiting one's promise
  const later = queue.put("later");

  expect([queue.take(), queue.take()]).toEqual(["waiting", "later"]);
  await Promise.all([waiting, later]);
});

test("whatever the sequence of calls, it agrees with a plain list", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = createRandom(seed);
    const capacity = 1 + random.below(8);
    const queue = new BoundedQueue<number>(capacity);
    const model: number[] = []; // the queue's items, then those of waiting producers
    for (let step = 0; step < 500; step++) {
      const kind = random.below(5);
      if (kind === 0) void queue.put(step).then(() => undefined);
      if (kind === 0) model.push(step);
      if (kind === 1) {
        const hasRoom = model.length < capacity;
        expect(queue.offer(step)).toBe(hasRoom);
        if (hasRoom) model.push(step);
      }
      if (kind >= 3) expect(queue.take()).toBe(model.shift());
      if (random.chance(0.1)) await Promise.resolve();
      expect(queue.count).toBe(Math.min(capacity, model.length));
      expect(queue.isFull).toBe(model.length >= capacity);
    }
  }
});

test("a long queue that is never empty keeps its order across compactions", () => {
  const queue = new BoundedQueue<number>(10_000);
  let next = 0;
  let expected = 0;
  for (let at = 0; at < 5000; at++) queue.offer(next++);
  for (let round = 0; round < 20_000; round++) {
    expect(queue.take()).toBe(expected++);
    queue.offer(next++);
  }
  expect(queue.count).toBe(5000);
});

test("a limit below one is a bug", () => {
  for (const capacity of [0, -1, 1.5, Number.NaN]) {
    expect(() => new BoundedQueue(capacity)).toThrow(AssertionFailure);
  }
});
