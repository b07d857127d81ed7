import { ByteWriter } from "@kvs/codec";
import { assert } from "@kvs/env";
import {
  BITMAP_BITS,
  type Frame,
  PAGE_BITMAP,
  type PageId,
  type PageLsn,
  PageView,
  type Pager,
  type Run,
  bitOf,
  bitmapPageOf,
  formatPage,
  reservedBits,
  setBits,
} from "@kvs/pager";
import { PageOps } from "./page-op.ts";
import { type PageWriter } from "./page-writer.ts";

/** The largest run of new pages in one mini-transaction: 1 MiB, about a millisecond of work. */
const RUN_PAGES_MAX = 256;

/** The LSN of every change: there is no log, so all are the same age. */
export const PLAIN_LSN: PageLsn = 1 as PageLsn;

/**
 * Changes the pages of a pager without a log. What was changed is safe once the pager has written and
 * synced it; a crash before leaves some pages new and some old.
 */
export class PlainPages implements PageWriter {
  readonly ops: ByteWriter = new ByteWriter({ initialBytes: 8192 });
  readonly runPagesMax: number;
  /** Set it to an array to have the pages listed there that are allocated from then on. */
  taken: Run<PageId>[] | undefined = undefined;
  readonly #pager: Pager;
  readonly #pageOps = new PageOps();
  readonly #view = new PageView();
  readonly #picked: Run<PageId>[] = [];
  readonly #freed: Run<PageId>[] = [];
  readonly #changed = new Set<Frame>();
  #newFrames = 0;
  #isMutating = false;

  constructor(pager: Pager) {
    this.#pager = pager;
    const half = Math.floor(pager.frameCount / 2);
    this.runPagesMax = Math.min(RUN_PAGES_MAX, Math.max(1, half - 1));
  }

  /**
   * Runs one step of an operation until no page is missing. Everything that gathers or changes pages
   * goes through this.
   *
   * @throws what `Pager.attempt` throws; nothing has changed then.
   */
  async run<Result>(step: () => Result): Promise<Result> {
    try {
      return await this.#pager.attempt(() => {
        this.#startAttempt();
        return step();
      });
    } finally {
      if (!this.#isMutating) this.#startAttempt();
    }
  }

  need(id: PageId, view: PageView): Frame {
    this.#pager.requireFrames(this.#newFrames); // where writers wait while too much is unwritten
    return this.#pager.fetch(id, view);
  }

  allocate(): PageId {
    return this.allocateRun(1).first;
  }

  allocateRun(countMax: number): Run<PageId> {
    const { space } = this.#pager;
    const run = space.take(countMax);
    this.#picked.push(run);
    this.#newFrames += run.count;
    if (space.needsBitmapPage(run)) this.#newFrames++;
    else this.#pager.fetch(bitmapPageOf(run.first), this.#view);
    this.#pager.requireFrames(this.#newFrames);
    return run;
  }

  needBits(run: Run<PageId>): void {
    this.#pager.fetch(bitmapPageOf(run.first), this.#view);
  }

  begin(): void {
    assert(!this.#isMutating, "the mini-transaction before has ended");
    this.#isMutating = true;
    for (const run of this.#picked) this.#use(run);
    this.taken?.push(...this.#picked);
    this.#picked.length = 0;
  }

  apply(frame: Frame): void {
    assert(this.#isMutating, "ops are applied in a mutation");
    this.#pager.point(frame, this.#view);
    this.#pageOps.apply(this.#view, this.ops.buffer, 0);
    this.ops.reset();
    this.#changed.add(frame);
  }

  create(id: PageId, view: PageView): Frame {
    assert(this.#isMutating, "pages are made in a mutation");
    const frame = this.#pager.create(id, view);
    this.#changed.add(frame);
    return frame;
  }

  image(frame: Frame): void {
    this.#changed.add(frame);
  }

  free(run: Run<PageId>): void {
    this.#changeBits(run, false);
    this.#freed.push(run);
  }

  end(): void {
    assert(this.#isMutating, "only what has begun ends");
    for (const frame of this.#changed) this.#pager.dirtied(frame, PLAIN_LSN);
    this.#changed.clear();
    for (const run of this.#freed) {
      for (let page = 0; page < run.count; page++) this.#pager.drop((run.first + page) as PageId);
      this.#pager.space.release(run);
    }
    this.#freed.length = 0;
    this.#newFrames = 0;
    this.#isMutating = false;
  }

  /** Gives back what an attempt picked that did not come to `begin`. */
  #startAttempt(): void {
    assert(!this.#isMutating, "an attempt begins before anything changes");
    for (const run of this.#picked) this.#pager.space.release(run);
    this.#picked.length = 0;
    this.#newFrames = 0;
    this.ops.reset();
  }

  /** Marks picked pages as used; the first of a region makes its bitmap page. */
  #use(run: Run<PageId>): void {
    const { space } = this.#pager;
    if (space.needsBitmapPage(run)) {
      const id = bitmapPageOf(run.first);
      this.create(id, this.#view);
      formatPage(this.#view, id, PAGE_BITMAP);
      setBits(this.#view, reservedBits(id), true);
      space.beginRegion(Math.floor(id / BITMAP_BITS));
    }
    this.#changeBits(run, true);
  }

  #changeBits(run: Run<PageId>, isUsed: boolean): void {
    const frame = this.#pager.fetch(bitmapPageOf(run.first), this.#view);
    setBits(this.#view, { first: bitOf(run.first), count: run.count }, isUsed);
    this.#changed.add(frame);
  }
}
