import { expect, test } from "vitest";
import { Mutex } from "../src/mutex.ts";
import { settle } from "./hand-clock.ts";

test("bodies run one at a time, in the order of the calls", async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  const run = (name: string): Promise<void> =>
    mutex.run(async () => {
      events.push(`${name} begins`);
      await settle();
      events.push(`${name} ends`);
    });

  const all = Promise.all([run("a"), run("b"), run("c")]);
  expect(mutex.isHeld).toBe(true);
  await all;

  expect(events).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  expect(mutex.isHeld).toBe(false);
});

test("who comes when it is being released waits behind those who waited", async () => {
  const mutex = new Mutex();
  const order: string[] = [];
  const first = mutex.run(() => void order.push("first"));
  const waiting = mutex.run(() => void order.push("waiting"));
  const late = first.then(() => mutex.run(() => void order.push("late")));
  await Promise.all([first, waiting, late]);
  expect(order).toEqual(["first", "waiting", "late"]);
});

test("what a body returns or throws is passed on, and frees the mutex", async () => {
  const mutex = new Mutex();
  await expect(mutex.run(() => 3)).resolves.toBe(3);
  await expect(mutex.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await expect(
    mutex.run(() => {
      throw new Error("at once");
    }),
  ).rejects.toThrow("at once");
  expect(mutex.isHeld).toBe(false);
  await expect(mutex.run(async () => "next")).resolves.toBe("next");
});
