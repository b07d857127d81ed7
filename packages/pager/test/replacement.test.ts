import { createRandom } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { Replacement } from "../src/replacement.ts";

test("the oldest page goes first", () => {
  const replacement = new Replacement(4, () => true);
  for (const frame of [2, 0, 3, 1]) replacement.add(frame, 1);

  expect(takeAll(replacement, 4)).toEqual([2, 0, 3, 1]);
  expect(replacement.choose(0)).toBe(-1);
});

test("a page that was used after it came is passed over once", () => {
  const replacement = new Replacement(4, () => true);
  for (const frame of [0, 1, 2]) replacement.add(frame, 1);
  replacement.used[0] = 2;

  expect(takeAll(replacement, 3)).toEqual([1, 2, 0]);
});

test("uses in the period in which a page came do not count", () => {
  const replacement = new Replacement(4, () => true);
  replacement.add(0, 1);
  replacement.add(1, 1);
  replacement.used[0] = 1;

  expect(replacement.choose(0)).toBe(0);
});

test("pages of the present period are spared, and so are those that may not go", () => {
  const replacement = new Replacement(4, (frame) => frame !== 1);
  for (const frame of [0, 1, 2]) replacement.add(frame, 1);
  replacement.used[0] = 5;

  expect(replacement.choose(5)).toBe(2);
  replacement.remove(2);
  expect(replacement.choose(5)).toBe(-1);
  expect(replacement.choose(0)).toBe(0);
});

test("among pages that are all used, one goes nevertheless", () => {
  const replacement = new Replacement(4, () => true);
  for (const frame of [0, 1, 2, 3]) {
    replacement.add(frame, 1);
    replacement.used[frame] = 2;
  }

  expect(replacement.choose(0)).toBe(0);
});

test("a scan of a file ten times the cache leaves what is used often", () => {
  const frames = 100;
  const cache = new ToyCache(frames);
  const random = createRandom(1);
  const hot = (): number => random.below(50);
  for (let step = 0; step < 2000; step++) cache.use(hot());

  for (let page = 1000; page < 2000; page++) {
    cache.use(page); // reads once, and between two such pages some hot ones
    for (let step = 0; step < 5; step++) cache.use(hot());
  }
  cache.misses = 0;
  for (let page = 0; page < 50; page++) cache.use(page);

  expect(cache.misses).toBeLessThanOrEqual(5);
});

test("frames leave in some order, each once, whatever is used and pinned", () => {
  forEachSeed({ seeds: 50, size: 200 }, ({ random, size }) => {
    const pinned = new Set<number>();
    const inside = new Set<number>();
    const replacement = new Replacement(16, (frame) => !pinned.has(frame));
    for (let step = 1; step < size; step++) {
      const frame = random.below(16);
      const action = random.below(4);
      if (action === 0 && !inside.has(frame)) {
        replacement.add(frame, step);
        inside.add(frame);
      } else if (action === 1 && inside.has(frame)) replacement.used[frame] = step;
      else if (action === 2) {
        if (!pinned.delete(frame)) pinned.add(frame);
      } else {
        const chosen = replacement.choose(0);
        const canGo = [...inside].filter((candidate) => !pinned.has(candidate));
        expect(canGo.length === 0 ? [-1] : canGo).toContain(chosen);
        if (chosen < 0) continue;
        replacement.remove(chosen);
        inside.delete(chosen);
      }
    }
  });
});

function takeAll(replacement: Replacement, count: number): number[] {
  const taken: number[] = [];
  for (let at = 0; at < count; at++) {
    const frame = replacement.choose(0);
    if (frame < 0) break;
    replacement.remove(frame);
    taken.push(frame);
  }
  return taken;
}

/** Pages in frames, each miss a period of its own. */
class ToyCache {
  misses = 0;
  readonly #replacement: Replacement;
  readonly #frameOf = new Map<number, number>();
  readonly #pageOf = new Map<number, number>();
  readonly #free: number[] = [];
  #period = 1;

  constructor(frames: number) {
    this.#replacement = new Replacement(frames, () => true);
    for (let frame = 0; frame < frames; frame++) this.#free.push(frame);
  }

  use(page: number): void {
    const found = this.#frameOf.get(page);
    if (found !== undefined) {
      this.#replacement.used[found] = this.#period;
      return;
    }
    this.misses++;
    this.#period++;
    const frame = this.#free.pop() ?? this.#evict();
    this.#replacement.add(frame, this.#period);
    this.#frameOf.set(page, frame);
    this.#pageOf.set(frame, page);
  }

  #evict(): number {
    const frame = this.#replacement.choose(0);
    this.#replacement.remove(frame);
    this.#frameOf.delete(this.#pageOf.get(frame)!);
    return frame;
  }
}
