import { createRandom } from "@kvs/env";
import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { toPageId } from "../src/index.ts";
import { Replacement } from "../src/replacement.ts";
import {
  ToyCache,
  type Trace,
  bestHitRatio,
  hitRatio,
  loopTrace,
  lruHitRatio,
  withScans,
  zipfTrace,
} from "./cache-traces.ts";

/** Frames with pages of the same numbers, which came in this order, in period 1. */
function queueOf(
  frames: readonly number[],
  canGo: (frame: number) => boolean = () => true,
): Replacement {
  const replacement = new Replacement(40, canGo); // four of them for trial
  for (const frame of frames) replacement.add(frame, toPageId(frame), 1);
  return replacement;
}

const FORTY: readonly number[] = Array.from({ length: 40 }, (_, at) => at);

test("pages on trial go first, the oldest of them before the others, then those in main", () => {
  const replacement = queueOf(FORTY);

  expect(takeAll(replacement, 40)).toEqual([36, 0, ...FORTY.slice(1, 36), 37, 38, 39]);
  expect(replacement.choose(0)).toBe(-1);
});

test("a page that was used on trial moves to main; one used in main is passed over once", () => {
  const replacement = queueOf(FORTY);
  for (const frame of [36, 37, 0, 1]) replacement.used[frame] = 2;

  // Two of four on trial moved on, so main gives a page: the first that nobody used.
  expect(takeAll(replacement, 3)).toEqual([38, 2, 3]);
  expect(takeAll(replacement, 37)).toEqual([...FORTY.slice(4, 36), 36, 37, 0, 1, 39]);
});

test("uses in the period in which a page came do not count", () => {
  const replacement = queueOf(FORTY);
  replacement.used[36] = 1;

  expect(replacement.choose(0)).toBe(36);
});

test("pages of the present period are spared, and so are those that may not go", () => {
  const replacement = queueOf(FORTY, (frame) => frame === 37 || frame === 5);
  for (const frame of FORTY) replacement.used[frame] = 5;

  expect(replacement.choose(5)).toBe(-1);
  expect([5, 37]).toContain(replacement.choose(0));
});

test("if nothing on trial may go, something in main does, and the other way round", () => {
  expect(queueOf(FORTY, (frame) => frame < 10).choose(0)).toBe(0);
  const replacement = queueOf(FORTY, (frame) => frame >= 38);
  replacement.remove(36);

  expect(replacement.choose(0)).toBe(38);
});

test("among pages that are all used, one goes nevertheless", () => {
  const replacement = queueOf(FORTY);
  for (const frame of FORTY) replacement.used[frame] = 2;

  expect(FORTY).toContain(replacement.choose(0));
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
        replacement.add(frame, toPageId(random.below(40)), step);
        inside.add(frame);
      } else if (action === 1 && inside.has(frame)) replacement.used[frame] = step;
      else if (action === 2) {
        if (!pinned.delete(frame)) pinned.add(frame);
      } else {
        const chosen = replacement.choose(0);
        const canGo = [...inside].filter((candidate) => !pinned.has(candidate));
        expect(canGo.length === 0 ? [-1] : canGo).toContain(chosen);
        if (chosen < 0) continue;
        replacement.noteEviction(chosen, toPageId(random.below(40)));
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

const FRAMES = 300;

/** How far from LRU and from the best that can be done. */
function compare(trace: Trace): { own: number; lru: number; best: number } {
  return {
    own: hitRatio(trace, FRAMES),
    lru: lruHitRatio(trace, FRAMES),
    best: bestHitRatio(trace, FRAMES),
  };
}

test("points: more hits than LRU, and most of those that are possible", () => {
  for (const skew of [0.8, 1, 1.2]) {
    const trace = zipfTrace(createRandom(1), { length: 20_000, pages: 10 * FRAMES, skew });
    const { own, lru, best } = compare(trace);
    expect(own).toBeGreaterThan(lru + 0.02);
    expect(own).toBeGreaterThan(best * 0.75);
  }
});

test("points and scans: far more hits than LRU, nearly as many as of the points alone", () => {
  const points = zipfTrace(createRandom(2), { length: 20_000, pages: 10 * FRAMES });
  const scans = withScans(points, { every: 5 * FRAMES, scanned: 3 * FRAMES });
  const { own, lru, best } = compare(scans);
  expect(own).toBeGreaterThan(lru + 0.05);
  expect(own).toBeGreaterThan(best * 0.85);
  // Scanned pages never hit; the points hit as if they were not there.
  const ofPoints = (own * scans.length) / points.length;
  expect(ofPoints).toBeGreaterThan(hitRatio(points, FRAMES) - 0.05);
});

test("a loop longer than the cache: LRU never hits, and here nine tenths of the best", () => {
  for (const factor of [1.1, 1.5, 2, 4]) {
    const trace = loopTrace(20_000, Math.floor(FRAMES * factor));
    const { own, lru, best } = compare(trace);
    expect(lru).toBe(0);
    expect(own).toBeGreaterThan(best * 0.88);
  }
});

test("when other pages become the ones in demand, they take the cache over", () => {
  const random = createRandom(3);
  const parts = Array.from({ length: 8 }, (_, part) =>
    zipfTrace(random, { length: 10_000, pages: 10 * FRAMES }).map((page) => page + part * 7919),
  );
  const trace = Uint32Array.from(parts.flatMap((part) => [...part]));
  const { own, lru } = compare(trace);
  expect(own).toBeGreaterThan(lru - 0.05);

  const thenLoop = Uint32Array.from([...parts[0]!, ...loopTrace(20 * FRAMES, 1.5 * FRAMES)]);
  expect(hitRatio(thenLoop, FRAMES)).toBeGreaterThan(lruHitRatio(thenLoop, FRAMES) + 0.02);
});
