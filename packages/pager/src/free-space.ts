import { assert } from "@kvs/env";
import { BITMAP_BITS, FIRST_BITMAP_PAGE, type Run, bitOf, hasBit } from "./bitmap.ts";
import { HEADER_COPIES } from "./file-header.ts";
import { PAGE_HEADER_BYTES, PAGE_BYTES, PAGE_BITMAP, pageType } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { type PageView } from "./page-view.ts";
import { type PageFault } from "./pager-error.ts";
import { RegionBits } from "./region-bits.ts";

/** Page ids are 32 bits wide; the last region is cut off there. */
const PAGES_MAX = 2 ** 32;
/** A piece of this many pages is worth taking although more were asked for: 32 KiB in a row. */
const PIECE_PAGES_MIN = 8;
/** Regions looked into for a long run before a shorter one has to do. */
const SEARCH_REGIONS_MAX = 64;
/** If a larger share of the file is free, any piece is taken rather than letting it grow. */
const FREE_SHARE_MAX = 0.25;

export interface FreeSpaceParts {
  /** Length of the file now. */
  pageCount(): number;
  /** Throws the miss that makes the file longer by this many pages, or says that it cannot be. */
  needPages(pages: number): never;
  /** Loads a bitmap page and shows it to `look`, in one turn. */
  lookAt(id: PageId, look: (view: PageView) => void): Promise<void>;
  corrupt(id: PageId, fault: PageFault): Error;
  readonly givesTwice?: boolean;
}

/**
 * Which pages are free, in memory: what the bitmap pages say, plus what is taken or released ahead
 * of them. The bits on the pages are changed by the caller's logged operations; nothing here
 * touches the disk, but `load`.
 *
 * A *region* is what one bitmap page covers. It begins when that page comes into being, and one
 * region at a time is being begun: the one behind the last.
 *
 * 1. A page is given out once until it is released.
 * 2. Pages 0 and 1 and every bitmap page are never given out.
 */
export class FreeSpace {
  readonly #parts: FreeSpaceParts;
  /** The regions that have begun, and the next. */
  readonly #regions: RegionBits[] = [];
  #regionCount = 0;
  /** No region before this one has a free page. */
  #lowest = 0;
  /** Pages in use: headers, bitmaps, and what was taken. */
  #used = HEADER_COPIES;
  #isDiskFull = false;
  /** One past the last page that was in use at any time since `markTail`; `undefined` before it. */
  #tail: number | undefined;
  /** Sabotage: gives out what is taken. */
  readonly #givesTwice: boolean;

  constructor(parts: FreeSpaceParts) {
    this.#parts = parts;
    this.#givesTwice = parts.givesTwice ?? false;
    this.#addRegion();
  }

  /** Bitmap pages that exist. */
  get regionCount(): number {
    return this.#regionCount;
  }

  /** Pages of the file that nobody uses. */
  get freePages(): number {
    return Math.max(0, this.#parts.pageCount() - this.#used);
  }

  /**
   * Reads the bitmap pages, through the cache. Call it once, after redo, before anything is taken.
   *
   * @throws {KvsError} `PAGER_CORRUPT_PAGE` if one is damaged, or no bitmap page.
   */
  async load(regionCount: number): Promise<void> {
    assert(this.#regionCount <= regionCount, "free space is loaded once, before it is used");
    this.#regions.pop(); // the one being begun, which is another one afterwards
    try {
      for (let region = this.#regionCount; region < regionCount; region++) {
        await this.#parts.lookAt(bitmapPage(region), (view) => this.#loadRegion(region, view));
      }
    } finally {
      this.#addRegion();
    }
  }

  /**
   * Takes 1 to `countMax` free pages in a row: as many as asked for if there is such a run, low
   * page numbers first. They are taken until `release`, whatever becomes of the attempt.
   *
   * @throws {PageMiss} if the file has to grow first. {KvsError} `PAGER_FILE_FULL`.
   */
  take(countMax: number): Run<PageId> {
    assert(Number.isInteger(countMax) && countMax >= 1, "a run has a page at least");
    const wanted = Math.min(countMax, BITMAP_BITS);
    const inside = this.#find(wanted, this.#parts.pageCount());
    if (inside.count >= wanted || this.#isGoodEnough(inside)) return this.#give(inside);
    const anywhere = this.#find(wanted, PAGES_MAX);
    if (anywhere.count > inside.count) this.#needFile(anywhere);
    if (inside.count === 0) this.#parts.needPages(1); // all page ids are taken
    return this.#give(inside);
  }

  /** Gives pages back that were taken, or that are in use and not needed any more. */
  release(run: Run<PageId>): void {
    const region = regionOf(run.first);
    assert(region <= this.#regionCount, "only pages of a known region are released");
    this.#regions[region]!.mark({ first: run.first % BITMAP_BITS, count: run.count }, false);
    this.#used -= run.count;
    this.#lowest = Math.min(this.#lowest, region);
    this.#isDiskFull = false;
  }

  /** Whether the page is neither in use nor taken. */
  isFree(id: PageId): boolean {
    const region = regionOf(id);
    const bits = this.#regions[region];
    // The bitmap page of the region that is yet to begin is reserved, and not there.
    const isToCome = region === this.#regionCount && id === bitmapPage(region);
    return bits === undefined || isToCome || !bits.isUsed(bitOf(id));
  }

  /** Whether the run's bitmap page is yet to be created, logged, and told to `beginRegion`. */
  needsBitmapPage(run: Run): boolean {
    return regionOf(run.first) >= this.#regionCount;
  }

  /** The bitmap page of region k exists now. */
  beginRegion(region: number): void {
    assert(region === this.#regionCount, "regions begin in their order");
    this.#regionCount++;
    this.#used++;
    this.#noteUse(bitmapPage(region) + 1);
    this.#addRegion();
  }

  /** One past the last page in use now, headers and bitmaps included. */
  get usedEnd(): number {
    for (let region = this.#regionCount; region >= 0; region--) {
      // Of the region that is yet to begin, the bitmap page is not there.
      if (region === this.#regionCount && this.#isEmpty(region)) continue;
      const end = this.#regions[region]!.usedEnd(regionLength(region));
      if (end > 0) return region * BITMAP_BITS + end;
    }
    return HEADER_COPIES;
  }

  /** One past the last page that was in use at any time since `markTail`; `undefined` before it. */
  get tail(): number | undefined {
    return this.#tail;
  }

  /**
   * Begins to watch the end of the file: pages behind {@link tail} were free from now on. Regions at
   * the end that hold nothing end: `regionCount` says how many are left.
   */
  markTail(): void {
    while (this.#regionCount > 1 && this.#isEmpty(this.#regionCount)) {
      if (!this.#isEmpty(this.#regionCount - 1)) break;
      this.#regions.pop(); // the ended one is the next to begin
      this.#regionCount--;
      this.#used--;
    }
    this.#lowest = Math.min(this.#lowest, this.#regionCount);
    this.#tail = this.usedEnd;
  }

  /** The file could not grow: take what there is. Or it did. */
  noteGrowth(hasGrown: boolean): void {
    this.#isDiskFull = !hasGrown;
  }

  #loadRegion(region: number, page: PageView): void {
    const id = bitmapPage(region);
    const type = pageType(page);
    const isSane = type === PAGE_BITMAP && hasBit(page, FIRST_BITMAP_PAGE);
    if (!isSane) {
      throw this.#parts.corrupt(id, { reason: "type", expected: PAGE_BITMAP, found: type });
    }
    const from = (page.base + PAGE_HEADER_BYTES) >>> 2;
    const body = page.u32.subarray(from, (page.base + PAGE_BYTES) >>> 2);
    const length = regionLength(region);
    const bits = RegionBits.of(body, length);
    this.#regions.push(bits);
    this.#regionCount++;
    this.#used += length - bits.freeCount - (region === 0 ? HEADER_COPIES : 0);
  }

  #isGoodEnough(run: Run): boolean {
    if (run.count === 0) return false;
    if (run.count >= PIECE_PAGES_MIN || this.#isDiskFull) return true;
    return this.freePages > this.#parts.pageCount() * FREE_SHARE_MAX;
  }

  /** The first free run of `wanted` pages below page `end`, or the longest found. */
  #find(wanted: number, end: number): Run {
    let best: Run = { first: 0, count: 0 };
    let looked = 0;
    for (let region = this.#lowest; region <= this.#regionCount; region++) {
      const bits = this.#regions[region]!;
      const from = region * BITMAP_BITS;
      if (from >= end || looked >= SEARCH_REGIONS_MAX) break;
      if (bits.freeCount === 0) {
        if (region === this.#lowest && region < this.#regionCount) this.#lowest++;
        continue;
      }
      looked++;
      if (!bits.mayHold(best.count + 1)) continue;
      const run = bits.find(wanted, Math.min(BITMAP_BITS, end - from));
      if (run.count > best.count) best = { first: from + run.first, count: run.count };
      if (best.count === wanted) break;
    }
    return best;
  }

  #needFile(run: Run): void {
    const region = regionOf(run.first);
    const isNew = region >= this.#regionCount;
    const end = Math.max(run.first + run.count, isNew ? bitmapPage(region) + 1 : 0);
    const missing = end - this.#parts.pageCount();
    assert(missing > 0, "a run that lies in the file was found in the file");
    this.#parts.needPages(missing);
  }

  #give(run: Run): Run<PageId> {
    const region = regionOf(run.first);
    if (region >= this.#regionCount && bitmapPage(region) >= this.#parts.pageCount()) {
      this.#needFile(run);
    }
    const bits = { first: run.first % BITMAP_BITS, count: run.count };
    if (!this.#givesTwice) this.#regions[region]!.mark(bits, true);
    this.#used += run.count;
    this.#noteUse(run.first + run.count);
    return run as Run<PageId>;
  }

  #noteUse(end: number): void {
    if (this.#tail !== undefined) this.#tail = Math.max(this.#tail, end);
  }

  /** Whether nothing in the region is in use but its bitmap page, and the file's headers. */
  #isEmpty(region: number): boolean {
    const length = regionLength(region);
    const own = region === 0 ? HEADER_COPIES + 1 : 1;
    return this.#regions[region]!.freeCount === Math.max(0, length - own);
  }

  /** Adds the next region, with nothing in use but its own bitmap page, and the file's headers. */
  #addRegion(): void {
    const region = this.#regions.length;
    const bits = new RegionBits();
    const length = regionLength(region);
    if (region === 0) bits.mark({ first: 0, count: HEADER_COPIES }, true);
    if (length > FIRST_BITMAP_PAGE) bits.mark({ first: FIRST_BITMAP_PAGE, count: 1 }, true);
    if (length < BITMAP_BITS) bits.mark({ first: length, count: BITMAP_BITS - length }, true);
    this.#regions.push(bits);
  }
}

function bitmapPage(region: number): PageId {
  return (FIRST_BITMAP_PAGE + region * BITMAP_BITS) as PageId;
}

/** Pages that a region covers: all that its page has bits for, but in the very last one. */
function regionLength(region: number): number {
  return Math.max(0, Math.min(BITMAP_BITS, PAGES_MAX - region * BITMAP_BITS));
}

/** The region that a page lies in. */
function regionOf(id: number): number {
  return Math.floor(id / BITMAP_BITS);
}
