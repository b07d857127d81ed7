import { type TestHooks, assert } from "@kvs/env";
import { type FreeSpace } from "./free-space.ts";
import { type PageFile } from "./page-file.ts";
import { type PageId } from "./page-id.ts";
import { type WriteBack } from "./write-back.ts";
import { type WrittenLsns } from "./written-lsns.ts";

/** Pages cut off in one step: 16 MiB, since some file systems free blocks while the caller waits. */
const STEP_PAGES = 4096;
/** The share of the used pages that stays free at the end, as the file grows by it, */
const KEEP_DIVISOR = 16;
/** but so many at least, */
const KEEP_PAGES_MIN = 16;
/** and 16 MiB at most. */
const KEEP_PAGES_MAX = 4096;

export interface TrimOptions {
  /** Free pages left at the end. Default: a sixteenth of the pages before them, from 16 to 4,096. */
  readonly keepPages?: number;
  /** Pages cut off at a time. Default: 4,096. */
  readonly stepPages?: number;
}

export interface TailTrimmerParts {
  readonly hooks: TestHooks;
  readonly file: PageFile;
  readonly space: FreeSpace;
  readonly writeBack: WriteBack;
  readonly written: WrittenLsns;
  /** Forgets a page, resident, on its way, or in quarantine. */
  drop(id: PageId): void;
}

/**
 * Gives the free pages at the file's end back to the file system.
 *
 * Why a crash at any moment is harmless. A page may be cut off if nothing will ever want it from the
 * disk: neither the store, nor redo after a crash.
 *
 * 1. The mark is set in the turn in which the checkpoint's BEGIN goes to the log. A page behind
 *    `space.tail` was free at that moment, and was not given out since. So no record behind BEGIN is
 *    about it: its last record, which freed it, lies before.
 * 2. Trimming begins when the header of that checkpoint is durable. From then on redo begins at
 *    BEGIN, in this life and after any crash, so it never comes to a record of such a page. Earlier,
 *    it would: the image of a page that was allocated and freed since the checkpoint before is redone
 *    as well, and wants the file to be long enough.
 * 3. The bitmaps that say the page is free were written by that checkpoint, or are redone from
 *    behind BEGIN. So after a crash nobody takes the page for used; that the bitmap page of a region
 *    at the end is gone itself is right, because the header counts only the regions before.
 * 4. The header says nothing of the file's length: what the file system says is true, whether a
 *    crash comes before the cut is durable or after it. A longer file has free pages at its end, and
 *    free pages hold anything.
 * 5. The cut is durable before the file may grow again, so it cannot come after a later page.
 *
 * An older copy of the header, met because the newer one was damaged at rest, begins redo earlier:
 * it finds its log cut, or a page behind the file's end; both are typed errors, as without trimming.
 */
export class TailTrimmer {
  readonly #parts: TailTrimmerParts;
  /** Sabotage: does not look at what was used since the mark. */
  readonly #isEarly: boolean;

  constructor(parts: TailTrimmerParts) {
    this.#parts = parts;
    this.#isEarly = parts.hooks.hasMutant("pager.trim-early");
  }

  /** @returns How many pages the file lost. */
  async trim(options: TrimOptions): Promise<number> {
    const { file } = this.#parts;
    const { stepPages = STEP_PAGES } = options;
    assert(stepPages >= 1, "a step cuts a page at least");
    const { growthCount } = file;
    let total = 0;
    for (;;) {
      const pages = await file.shrink(() => {
        // Who made the file longer meanwhile is about to use it, and would do so again and again.
        if (file.growthCount !== growthCount) return file.pageCount;
        return this.#choose(options.keepPages, stepPages);
      });
      if (pages === 0) return total;
      total += pages;
    }
  }

  /** The new length, with nothing of what lies behind it in memory or on its way. */
  #choose(keepPages: number | undefined, stepPages: number): number {
    const { file, space, writeBack, written } = this.#parts;
    const tail = this.#isEarly ? space.usedEnd : space.tail;
    if (tail === undefined) return file.pageCount;
    const share = Math.min(Math.floor(tail / KEEP_DIVISOR), KEEP_PAGES_MAX);
    const keep = keepPages ?? Math.max(KEEP_PAGES_MIN, share);
    const end = Math.max(tail + keep, file.pageCount - stepPages);
    for (let id = file.pageCount - 1; id >= end; id--) {
      // What is being written of a dropped page would make the file longer again.
      if (writeBack.isWriting(id as PageId)) return id + 1;
      this.#parts.drop(id as PageId);
    }
    if (end < file.pageCount) written.forgetFrom(end);
    return Math.min(end, file.pageCount);
  }
}
