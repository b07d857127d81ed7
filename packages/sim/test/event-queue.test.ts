import { createRandom } from "@kvs/env";
import { expect, test } from "vitest";
import { EventQueue, type SimEvent } from "../src/event-queue.ts";

function event(atMicros: number, rank = 0, sequence = 0): SimEvent {
  return {
    atMicros,
    rank,
    sequence,
    owner: undefined,
    kind: 0,
    payload: 0,
    flags: 0,
    isQueued: false,
    isCanceled: false,
    action: () => undefined,
  };
}

function drain(queue: EventQueue): SimEvent[] {
  const taken: SimEvent[] = [];
  for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next);
  return taken;
}

test("events leave by time, then rank, then sequence, whatever the order they came in", () => {
  for (let seed = 0; seed < 50; seed++) {
    const random = createRandom(seed);
    const queue = new EventQueue();
    const all: SimEvent[] = [];
    for (let sequence = 0; sequence < 300; sequence++) {
      const made = event(random.below(20), random.below(4), sequence);
      all.push(made);
      queue.add(made);
    }

    const expected = all.toSorted(
      (a, b) => a.atMicros - b.atMicros || a.rank - b.rank || a.sequence - b.sequence,
    );
    expect(drain(queue)).toEqual(expected);
  }
});

test("cancelled events never leave, however many, and are not counted", () => {
  for (let seed = 0; seed < 10; seed++) {
    const random = createRandom(seed);
    const queue = new EventQueue();
    const kept: SimEvent[] = [];
    for (let sequence = 0; sequence < 5000; sequence++) {
      const made = event(random.below(1_000_000), 0, sequence);
      queue.add(made);
      if (random.chance(0.8)) queue.cancel(made);
      else kept.push(made);
    }

    expect(queue.count).toBe(kept.length);
    const taken = drain(queue);
    expect(taken.length).toBe(kept.length);
    expect(taken.every((each) => !each.isCanceled)).toBe(true);
    expect(queue.count).toBe(0);
  }
});

test("cancelling what has left already changes nothing, and twice is once", () => {
  const queue = new EventQueue();
  const gone = event(1);
  const canceled = event(2);
  queue.add(gone);
  queue.add(canceled);
  queue.add(event(3));
  queue.take();

  queue.cancel(gone);
  queue.cancel(canceled);
  queue.cancel(canceled);

  expect(queue.count).toBe(1);
  expect(queue.peek()?.atMicros).toBe(3);
});

test("an event is queued once", () => {
  const queue = new EventQueue();
  const once = event(1);
  queue.add(once);

  expect(() => queue.add(once)).toThrow("queued, once");
});
