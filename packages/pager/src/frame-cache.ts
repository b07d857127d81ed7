import { assert } from "@kvs/env";
import { FrameMemory } from "./frame-memory.ts";
import { PAGE_BYTES, PAGE_LSN_OFFSET } from "./page-header.ts";
import { type PageId, type PageLsn } from "./page-id.ts";
import { type Frame } from "./page-miss.ts";
import { ABSENT, PageTable } from "./page-table.ts";
import { PageView } from "./page-view.ts";
import { Replacement } from "./replacement.ts";

const TWO_32 = 0x1_0000_0000;
/** Periods are small integers; after the last one comes 1 again. */
const PERIOD_MAX = 0x3fff_ffff;

/** `recLsn` of a frame that is clean. */
export const CLEAN: number = Number.POSITIVE_INFINITY;

const FREE = 0;
/** Taken out of the free list: being loaded, or set aside. */
const TAKEN = 1;
const RESIDENT = 2;
/** Its page was dropped while somebody held a pin. */
const DROPPED = 3;

/**
 * The frames and what is in them. All of it is synchronous and none of it touches the disk.
 *
 *     FREE ──take──► TAKEN ──install──► RESIDENT ──evict, drop──► FREE
 *       ▲             │                    │ drop, while pinned
 *       └──giveBack───┘◄──unpin── DROPPED ◄┘
 *
 * 1. A page is in at most one frame, which the table knows if and only if it is RESIDENT.
 * 2. A frame is dirty if its page differs from the disk's, that is until a write of its present
 *    content was answered: `recLsn` is the LSN of the first change that may be missing there.
 * 3. Only clean, unpinned frames are evicted.
 *
 * The last frame, `spare`, lies outside the budget: it takes the page of a blocking read when all
 * others are busy, and is empty again when that read is done.
 */
export class FrameCache {
  readonly frameCount: number;
  readonly spare: Frame;
  readonly memory: FrameMemory;
  /** The page in a resident frame. */
  readonly pageOf: Uint32Array;
  /** LSN of the first change since the page was clean, or `CLEAN`. */
  readonly recLsn: Float64Array;
  /** Whether a write of the frame's page is under way. */
  readonly isWriting: Uint8Array;
  /** While it is: LSN of the first change after the copy was sealed, or `CLEAN`. */
  readonly nextRecLsn: Float64Array;
  dirtyCount = 0;
  evictions = 0;
  readonly #table = new PageTable();
  readonly #replacement: Replacement;
  readonly #used: Int32Array;
  readonly #state: Uint8Array;
  readonly #pins: Uint16Array;
  readonly #free: Int32Array;
  readonly #view = new PageView();
  #freeCount: number;
  #period = 1;

  /** Sabotage: changes that are not on the disk may be forgotten. */
  readonly #evictsDirty: boolean;

  /** @param frameCount Frames within the budget, at least 4. */
  constructor(frameCount: number, evictsDirty = false) {
    assert(frameCount >= 4, "a pager has four frames at least");
    this.frameCount = frameCount;
    this.#evictsDirty = evictsDirty;
    this.spare = frameCount;
    this.memory = new FrameMemory(frameCount + 1);
    this.pageOf = new Uint32Array(frameCount + 1);
    this.recLsn = new Float64Array(frameCount + 1).fill(CLEAN);
    this.nextRecLsn = new Float64Array(frameCount + 1).fill(CLEAN);
    this.isWriting = new Uint8Array(frameCount + 1);
    this.#state = new Uint8Array(frameCount + 1);
    this.#pins = new Uint16Array(frameCount + 1);
    this.#state[this.spare] = TAKEN;
    this.#replacement = new Replacement(frameCount + 1, (frame) => this.#canEvict(frame));
    this.#used = this.#replacement.used;
    this.#free = new Int32Array(frameCount);
    for (let at = 0; at < frameCount; at++) this.#free[at] = frameCount - 1 - at;
    this.#freeCount = frameCount;
  }

  /** Points `view` at the page and marks it used, if it is resident; else answers `ABSENT`. */
  fetch(id: PageId, view: PageView): Frame {
    const frame = this.#table.get(id);
    if (frame === ABSENT) return ABSENT;
    this.#used[frame] = this.#period;
    this.memory.point(frame, view);
    return frame;
  }

  /** The frame of a resident page, without marking it used; else `ABSENT`. */
  frameOf(id: PageId): Frame {
    return this.#table.get(id);
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /**
   * Ends a period: pages used before may be evicted again by synchronous code. Call it only where
   * no attempt is running.
   */
  endPeriod(): void {
    this.#period = this.#period === PERIOD_MAX ? 1 : this.#period + 1;
  }

  /** Takes a free frame, or `ABSENT`. */
  take(): Frame {
    if (this.#freeCount === 0) return ABSENT;
    const frame = this.#free[--this.#freeCount]!;
    assert(this.#state[frame] === FREE, "the free list holds free frames");
    this.#state[frame] = TAKEN;
    return frame;
  }

  /** Returns a frame that was taken and holds no page. */
  giveBack(frame: Frame): void {
    assert(this.#state[frame] === TAKEN, "only a taken frame is given back");
    if (frame !== this.spare) this.#release(frame);
  }

  /**
   * Empties one clean, unpinned frame into the free list.
   *
   * @param sparesPeriod Leaves pages alone that were used in this period: an attempt under way may
   *   hold views of them.
   * @returns Whether there was one.
   */
  evict(sparesPeriod: boolean): boolean {
    const frame = this.#replacement.choose(sparesPeriod ? this.#period : 0);
    if (frame === ABSENT) return false;
    this.#replacement.noteEviction(frame, this.pageOf[frame] as PageId);
    this.drop(frame);
    this.evictions++;
    return true;
  }

  /** Makes a taken frame the place of this page, whose bytes are in it or will be at once. */
  install(id: PageId, frame: Frame): void {
    assert(this.#state[frame] === TAKEN, "a page goes into a taken frame");
    assert(this.recLsn[frame] === CLEAN, "an empty frame is clean");
    this.#table.add(id, frame);
    this.#state[frame] = RESIDENT;
    this.pageOf[frame] = id;
    this.#replacement.add(frame, id, this.#period);
  }

  /** Forgets a page, dirty or not, if it is resident. Its frame is free at once or when unpinned. */
  drop(frame: Frame): void {
    assert(this.#state[frame] === RESIDENT, "only a resident page is dropped");
    if (this.recLsn[frame] !== CLEAN) this.#setClean(frame);
    this.nextRecLsn[frame] = CLEAN;
    this.isWriting[frame] = 0;
    this.#forget(frame);
    if (this.#pins[frame] === 0) this.#release(frame);
    else this.#state[frame] = DROPPED;
  }

  /** Empties the spare frame. */
  clearSpare(): void {
    if (this.#state[this.spare] === TAKEN) return;
    assert(this.recLsn[this.spare] === CLEAN, "nobody changes a page during a blocking read");
    this.#forget(this.spare);
    this.#state[this.spare] = TAKEN;
  }

  /** Keeps a frame's page where it is. */
  pin(frame: Frame): void {
    assert(this.#state[frame] === RESIDENT, "only a resident page is pinned");
    this.#pins[frame]! += 1;
  }

  unpin(frame: Frame): void {
    assert(this.#pins[frame]! > 0, "only a pinned frame is unpinned");
    this.#pins[frame]! -= 1;
    if (this.#pins[frame] === 0 && this.#state[frame] === DROPPED) this.#release(frame);
  }

  /** Notes a change. Returns whether the frame was clean before. */
  dirtied(frame: Frame, lsn: PageLsn): boolean {
    assert(this.#state[frame] === RESIDENT, "only a resident page is changed");
    assert(frame !== this.spare, "nobody changes a page during a blocking read");
    const { u32, base } = this.#point(frame);
    const at = (base + PAGE_LSN_OFFSET) >>> 2;
    u32[at] = lsn >>> 0;
    u32[at + 1] = Math.floor(lsn / TWO_32);
    if (this.recLsn[frame] === CLEAN) {
      this.recLsn[frame] = lsn;
      this.dirtyCount++;
      this.#table.mark(this.pageOf[frame] as PageId, true);
      return true;
    }
    if (this.isWriting[frame] === 1 && this.nextRecLsn[frame] === CLEAN) {
      this.nextRecLsn[frame] = lsn;
    }
    return false;
  }

  pageLsnOf(frame: Frame): PageLsn {
    const { u32, base } = this.#point(frame);
    const at = (base + PAGE_LSN_OFFSET) >>> 2;
    return (u32[at]! + u32[at + 1]! * TWO_32) as PageLsn;
  }

  /** Whether a write can free a frame. Cost: looks at every frame if there is none. */
  hasUnpinnedDirty(): boolean {
    if (this.dirtyCount === 0) return false;
    for (let frame = 0; frame < this.frameCount; frame++) {
      if (this.recLsn[frame] !== CLEAN && this.#pins[frame] === 0) return true;
    }
    return false;
  }

  /** The first dirty frame, by page number, from page `from` on that `accept` takes; or `ABSENT`. */
  findDirty(from: number, accept: (frame: Frame) => boolean): Frame {
    return this.#table.findMarked(from, accept);
  }

  /** Whether the disk may miss a change to the page. */
  isDirty(frame: Frame): boolean {
    return this.recLsn[frame] !== CLEAN;
  }

  /** Whether the frame is dirty and no write of it is under way. */
  isWaitingForWrite(frame: Frame): boolean {
    return this.recLsn[frame] !== CLEAN && this.isWriting[frame] === 0;
  }

  /** A copy of the frame was sealed: what changes from here on needs another write. */
  beginWrite(frame: Frame): void {
    assert(this.isWaitingForWrite(frame), "one write at a time is under way for a page");
    this.isWriting[frame] = 1;
  }

  /** The write of that copy was answered. */
  endWrite(frame: Frame, isWritten: boolean): void {
    assert(this.isWriting[frame] === 1, "only a write under way ends");
    this.isWriting[frame] = 0;
    if (isWritten) {
      if (this.nextRecLsn[frame] === CLEAN) this.#setClean(frame);
      else this.recLsn[frame] = this.nextRecLsn[frame]!;
    }
    this.nextRecLsn[frame] = CLEAN;
  }

  /** Fills a frame with zeros. */
  clear(frame: Frame): void {
    const { u8, base } = this.#point(frame);
    u8.fill(0, base, base + PAGE_BYTES);
  }

  #point(frame: Frame): PageView {
    this.memory.point(frame, this.#view);
    return this.#view;
  }

  #canEvict(frame: Frame): boolean {
    if (this.#pins[frame] !== 0 || frame === this.spare) return false;
    return this.recLsn[frame] === CLEAN || (this.#evictsDirty && this.isWriting[frame] === 0);
  }

  #setClean(frame: Frame): void {
    this.recLsn[frame] = CLEAN;
    this.dirtyCount--;
    this.#table.mark(this.pageOf[frame] as PageId, false);
  }

  #forget(frame: Frame): void {
    this.#table.remove(this.pageOf[frame] as PageId);
    this.#replacement.remove(frame);
  }

  #release(frame: Frame): void {
    this.#state[frame] = FREE;
    this.#free[this.#freeCount++] = frame;
  }
}
