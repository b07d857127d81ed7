import { type Random, shuffle } from "@kvs/env";
import { toPageId } from "../src/index.ts";
import { Replacement } from "../src/replacement.ts";

/** Pages in the order in which somebody wants them. */
export type Trace = Uint32Array;

/** Points: page k of `pages`, in a mixed order, with probability ∝ 1 / (k + 1)^`skew`. */
export function zipfTrace(
  random: Random,
  { length, pages, skew = 1 }: { length: number; pages: number; skew?: number },
): Trace {
  const sums = new Float64Array(pages);
  let sum = 0;
  for (let page = 0; page < pages; page++) {
    sum += (page + 1) ** -skew;
    sums[page] = sum;
  }
  const names = shuffle(
    random,
    Array.from({ length: pages }, (_, page) => page),
  );
  return Uint32Array.from({ length }, () => {
    const drawn = random.nextFloat() * sum;
    let low = 0;
    for (let high = pages - 1; low < high;) {
      const middle = (low + high) >>> 1;
      if (sums[middle]! < drawn) low = middle + 1;
      else high = middle;
    }
    return names[low]!;
  });
}

/** The points, and every `every` of them a scan of `scanned` other pages, mixed with points. */
export function withScans(
  points: Trace,
  { every, scanned }: { every: number; scanned: number },
): Trace {
  const trace: number[] = [];
  for (const [at, page] of points.entries()) {
    trace.push(page);
    const place = at % (every + scanned);
    if (place >= every) trace.push(1_000_000 + place - every);
  }
  return Uint32Array.from(trace);
}

/** `pages` pages, one after the other, again and again. */
export function loopTrace(length: number, pages: number): Trace {
  return Uint32Array.from({ length }, (_, at) => at % pages);
}

/** Hits of all accesses with the replacement of the pager. */
export function hitRatio(trace: Trace, frames: number): number {
  const cache = new ToyCache(frames);
  for (const page of trace) cache.use(page);
  return 1 - cache.misses / trace.length;
}

/** Hits with the page going that was used the longest time ago. */
export function lruHitRatio(trace: Trace, frames: number): number {
  const pages = new Set<number>();
  let hits = 0;
  for (const page of trace) {
    if (pages.delete(page)) hits++;
    else if (pages.size === frames) pages.delete(pages.values().next().value!);
    pages.add(page);
  }
  return hits / trace.length;
}

/**
 * Hits with the page going that will not be wanted for the longest time: no method can do better.
 *
 * Source: Belady, "A study of replacement algorithms for a virtual-storage computer" (1966).
 */
export function bestHitRatio(trace: Trace, frames: number): number {
  const nextUse = new Uint32Array(trace.length).fill(0xffff_ffff);
  const later = new Map<number, number>();
  for (let at = trace.length - 1; at >= 0; at--) {
    nextUse[at] = later.get(trace[at]!) ?? 0xffff_ffff;
    later.set(trace[at]!, at);
  }
  const held = new Map<number, number>();
  let hits = 0;
  for (const [at, page] of trace.entries()) {
    if (held.has(page)) hits++;
    else if (held.size === frames) held.delete(farthest(held));
    held.set(page, nextUse[at]!);
  }
  return hits / trace.length;
}

function farthest(held: ReadonlyMap<number, number>): number {
  let last = -1;
  let chosen = 0;
  for (const [page, use] of held) {
    if (use <= last) continue;
    last = use;
    chosen = page;
  }
  return chosen;
}

/** Pages in frames, each miss a period of its own. */
export class ToyCache {
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
    this.#replacement.add(frame, toPageId(page), this.#period);
    this.#frameOf.set(page, frame);
    this.#pageOf.set(frame, page);
  }

  #evict(): number {
    const frame = this.#replacement.choose(0);
    const page = this.#pageOf.get(frame)!;
    this.#replacement.noteEviction(frame, toPageId(page));
    this.#replacement.remove(frame);
    this.#frameOf.delete(page);
    return frame;
  }
}
