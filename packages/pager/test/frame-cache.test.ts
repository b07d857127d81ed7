import { forEachSeed } from "@kvs/sim";
import { expect, test } from "vitest";
import { CLEAN, FrameCache } from "../src/frame-cache.ts";
import { type PageId, PageView, toPageId, toPageLsn } from "../src/index.ts";

const view = new PageView();

function install(cache: FrameCache, id: PageId): number {
  const frame = cache.take();
  cache.install(id, frame);
  return frame;
}

test("frames are taken, filled, evicted and free again", () => {
  const cache = new FrameCache(4);
  const frames = [2, 3, 4, 5].map((id) => install(cache, toPageId(id)));

  expect(new Set(frames).size).toBe(4);
  expect(cache.take()).toBe(-1);
  expect(cache.evict(false)).toBe(true);
  expect(cache.frameOf(toPageId(2))).toBe(-1);
  expect(cache.freeCount).toBe(1);
});

test("REL-P12: dirty and pinned pages are never evicted", () => {
  const cache = new FrameCache(4);
  const [a, b, c] = [2, 3, 4].map((id) => install(cache, toPageId(id)));
  cache.dirtied(a!, toPageLsn(5));
  cache.pin(b!);

  expect(cache.evict(false)).toBe(true);
  expect(cache.evict(false)).toBe(false);
  expect(cache.frameOf(toPageId(4))).toBe(-1);
  cache.unpin(b!);
  expect(cache.evict(false)).toBe(true);
  expect(c).not.toBe(a);
});

test("REL-P12: what an attempt looks at in this turn is not evicted under its eyes", () => {
  const cache = new FrameCache(4);
  for (const id of [2, 3, 4, 5]) install(cache, toPageId(id));
  cache.endPeriod();
  for (const id of [2, 3, 4]) cache.fetch(toPageId(id), view);

  expect(cache.evict(true)).toBe(true);
  expect(cache.frameOf(toPageId(5))).toBe(-1);
  expect(cache.evict(true)).toBe(false);
  cache.endPeriod();
  expect(cache.evict(true)).toBe(true);
});

test("a page dropped while pinned leaves its frame when the last pin goes", () => {
  const cache = new FrameCache(4);
  const frame = install(cache, toPageId(9));
  cache.pin(frame);
  cache.pin(frame);
  cache.dirtied(frame, toPageLsn(1));

  cache.drop(frame);

  expect(cache.frameOf(toPageId(9))).toBe(-1);
  expect(cache.dirtyCount).toBe(0);
  expect(cache.freeCount).toBe(3);
  cache.unpin(frame);
  expect(cache.freeCount).toBe(3);
  cache.unpin(frame);
  expect(cache.freeCount).toBe(4);
});

test("a frame that changes while it is written stays dirty, from that change on", () => {
  const cache = new FrameCache(4);
  const frame = install(cache, toPageId(9));
  cache.dirtied(frame, toPageLsn(10));
  cache.dirtied(frame, toPageLsn(20));
  expect(cache.recLsn[frame]).toBe(10);

  cache.beginWrite(frame);
  cache.dirtied(frame, toPageLsn(30));
  cache.dirtied(frame, toPageLsn(40));
  expect(cache.recLsn[frame]).toBe(10); // until the answer, the first change may be missing
  cache.endWrite(frame, true);
  expect(cache.recLsn[frame]).toBe(30);
  expect(cache.pageLsnOf(frame)).toBe(40);
  expect(cache.dirtyCount).toBe(1);

  cache.beginWrite(frame);
  cache.endWrite(frame, false);
  expect(cache.recLsn[frame]).toBe(30);
  cache.beginWrite(frame);
  cache.endWrite(frame, true);
  expect(cache.recLsn[frame]).toBe(CLEAN);
  expect(cache.dirtyCount).toBe(0);
});

test("LSNs around every power of two come back exactly", () => {
  const cache = new FrameCache(4);
  const frame = install(cache, toPageId(2));
  for (const near of [2 ** 31, 2 ** 32, 2 ** 33, 2 ** 52]) {
    for (const lsn of [near - 1, near, near + 1]) {
      cache.dirtied(frame, toPageLsn(lsn));
      expect(cache.pageLsnOf(frame)).toBe(lsn);
    }
  }
  cache.dirtied(frame, toPageLsn(Number.MAX_SAFE_INTEGER));
  expect(cache.pageLsnOf(frame)).toBe(Number.MAX_SAFE_INTEGER);
});

test("the spare frame holds a page for a moment, and nobody may change it", () => {
  const cache = new FrameCache(4);
  cache.clearSpare();
  cache.install(toPageId(8), cache.spare);

  expect(cache.frameOf(toPageId(8))).toBe(cache.spare);
  expect(() => cache.dirtied(cache.spare, toPageLsn(1))).toThrow("nobody changes");
  expect(cache.evict(false)).toBe(false);
  cache.clearSpare();
  expect(cache.frameOf(toPageId(8))).toBe(-1);
  cache.giveBack(cache.spare);
  expect(cache.freeCount).toBe(4);
});

test("more frames than one buffer holds are still apart", () => {
  const cache = new FrameCache(65_537);
  const a = new PageView();
  cache.memory.point(65_535, a);
  cache.memory.point(65_536, view);

  expect(a.base).toBe(65_535 * 4096);
  expect(view.base).toBe(0);
  expect(view.u8).not.toBe(a.u8);
  expect(cache.memory.bytes(65_536).byteOffset).toBe(0);
});

test("every page is in one frame, every frame in one state, after any calls", () => {
  forEachSeed({ seeds: 30, size: 300 }, ({ random, size }) => {
    const subject = new ModelledCache(4 + random.below(6));
    for (let step = 1; step < size; step++) {
      subject.act(random.below(7), toPageId(2 + random.below(24)), step);
      subject.check();
    }
  });
});

/** A cache, and what should be in it. */
class ModelledCache {
  readonly #cache: FrameCache;
  readonly #frameOf = new Map<PageId, number>();
  readonly #dirty = new Set<PageId>();
  readonly #pins = new Map<number, number>();
  readonly #dropped = new Set<number>();

  constructor(frames: number) {
    this.#cache = new FrameCache(frames);
  }

  act(action: number, id: PageId, step: number): void {
    const frame = this.#frameOf.get(id);
    if (action === 0) this.#evict();
    else if (action === 1) this.#unpin();
    else if (frame === undefined) this.#install(id);
    else if (action === 2 || action === 3) {
      this.#cache.dirtied(frame, toPageLsn(step));
      this.#dirty.add(id);
    } else if (action === 4) {
      this.#cache.pin(frame);
      this.#pins.set(frame, (this.#pins.get(frame) ?? 0) + 1);
    } else this.#drop(id, frame);
  }

  check(): void {
    const cache = this.#cache;
    const resident = [...this.#frameOf.keys()];
    expect(cache.dirtyCount).toBe(this.#dirty.size);
    expect(cache.freeCount).toBe(cache.frameCount - resident.length - this.#dropped.size);
    expect(resident.map((id) => cache.frameOf(id))).toEqual([...this.#frameOf.values()]);
    const dirty: PageId[] = [];
    for (let from = 0; ; from = dirty.at(-1)! + 1) {
      const frame = cache.findDirty(from, (candidate) => cache.isDirty(candidate));
      if (frame < 0) break;
      dirty.push(toPageId(cache.pageOf[frame]!));
    }
    expect(dirty).toEqual([...this.#dirty].toSorted((one, other) => one - other));
  }

  #install(id: PageId): void {
    const { frameCount } = this.#cache;
    const taken = this.#cache.take();
    expect(taken < 0).toBe(this.#frameOf.size + this.#dropped.size === frameCount);
    if (taken < 0) return;
    this.#cache.install(id, taken);
    this.#frameOf.set(id, taken);
  }

  #evict(): void {
    const entries = [...this.#frameOf];
    const canGo = entries.filter(([id, at]) => !this.#dirty.has(id) && !this.#pins.has(at));
    expect(this.#cache.evict(false)).toBe(canGo.length > 0);
    for (const [id] of canGo) if (this.#cache.frameOf(id) < 0) this.#frameOf.delete(id);
    expect(this.#frameOf.size).toBe(entries.length - Math.min(canGo.length, 1));
  }

  #unpin(): void {
    const [frame] = this.#pins.keys();
    if (frame === undefined) return;
    this.#cache.unpin(frame);
    const left = this.#pins.get(frame)! - 1;
    if (left > 0) this.#pins.set(frame, left);
    else {
      this.#pins.delete(frame);
      this.#dropped.delete(frame);
    }
  }

  #drop(id: PageId, frame: number): void {
    this.#cache.drop(frame);
    this.#frameOf.delete(id);
    this.#dirty.delete(id);
    if (this.#pins.has(frame)) this.#dropped.add(frame);
  }
}
