import { ByteWriter } from "@kvs/codec";
import { type Random, assert, createRandom } from "@kvs/env";
import {
  BITMAP_BITS,
  FIRST_BITMAP_PAGE,
  type Frame,
  NO_PAGE,
  PAGE_BITMAP,
  PAGE_BYTES,
  type PageId,
  PageMiss,
  PageView,
  type Run,
  bitOf,
  bitmapPageOf,
  formatPage,
  hasBit,
  reservedBits,
  setBits,
  setPageLsn,
  toPageLsn,
} from "@kvs/pager";
import { FramePool } from "./frame-pool.ts";
import { OP_BITS, PageOps, writeImage, writeOpHeader } from "../src/page-op.ts";
import { type PageReader, type PageWriter, type UndoKind } from "../src/page-writer.ts";

export interface MemoryPagesOptions {
  /** Frames; default: as many as there are pages. */
  readonly frames?: number;
  /** Decides what is evicted. */
  readonly random?: Random;
  /** Bitmap pages that exist from the start; default: 1. */
  readonly regions?: number;
  /** Longest run that is found; default: 256. */
  readonly runPages?: number;
  /** Where the next free page is looked for; default: the lowest. */
  readonly pickRegion?: () => number;
  /** Where in the first region the search for free pages begins. */
  readonly firstPage?: number;
  /** Leaves every second page unused, so that no two runs join. */
  readonly isFragmented?: boolean;
  /** Whether every record is redone on a second set of pages; default: true. */
  readonly hasTwins?: boolean;
  /** Compares every page with its twin after every mini-transaction, not only those it changed. */
  readonly comparesAll?: boolean;
}

const ATTEMPTS_MAX = 100_000;

/**
 * Pages in memory, behind the interface that a log has. Every mini-transaction is also recorded and
 * redone on a second set of pages, which must become the same, byte by byte.
 *
 * With a limit on frames, what is not resident is thrown as a `PageMiss`, and `run` brings it in for
 * a page chosen by chance. An evicted frame is overwritten, so that who still looks at it is found
 * out.
 */
export class MemoryPages implements PageReader, PageWriter {
  readonly ops: ByteWriter = new ByteWriter();
  readonly runPagesMax: number;
  /** Called before every page is looked at in the gather phase; may throw a `PageMiss`. */
  onFetch: (id: PageId) => void = () => {};
  /** Called at the end of every mini-transaction. */
  onEnd: (record: Uint8Array, undo: UndoKind) => void = () => {};
  /** What was seen of mini-transactions. */
  minis = 0;
  pagesChangedMax = 0;
  recordBytes = 0;
  misses = 0;
  readonly #options: MemoryPagesOptions;
  readonly #pool: FramePool;
  readonly #twins = new Map<PageId, PageView>();
  readonly #used = new Set<PageId>();
  readonly #searchFrom: number[] = [];
  readonly #pageOps = new PageOps();
  readonly #twinOps = new PageOps();
  readonly #miss = new PageMiss();
  readonly #picked: Run<PageId>[] = [];
  readonly #freed: Run<PageId>[] = [];
  readonly #changed = new Set<Frame>();
  readonly #images = new Set<Frame>();
  #newFrames = 0;
  #opStart = 0;
  #undo: UndoKind = "none";
  #isMutating = false;
  #lsn = 1;

  constructor(options: MemoryPagesOptions = {}) {
    this.#options = options;
    const { frames = Number.POSITIVE_INFINITY, random = createRandom(1) } = options;
    this.#pool = new FramePool(frames, random);
    const half = Math.floor((options.frames ?? 1024) / 2);
    this.runPagesMax = Math.min(options.runPages ?? 256, Math.max(1, half - 1));
    for (let region = 0; region < (options.regions ?? 1); region++) this.#makeBitmap(region);
  }

  /** Makes an empty page of a tree, before there is anything to log. */
  addPage(fill: (view: PageView, id: PageId) => void): PageId {
    const id = this.#findRun(1).first;
    this.#used.add(id);
    for (const view of [this.#pool.install(id), this.#makeTwin(id)]) fill(view, id);
    for (const view of [this.#pool.viewOf(bitmapPageOf(id)), this.#twins.get(bitmapPageOf(id))!]) {
      setBits(view, { first: bitOf(id), count: 1 }, true);
    }
    return id;
  }

  /** Runs `body` until it does not miss a page any more. */
  run<Result>(body: () => Result): Result {
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
      this.#startAttempt();
      try {
        return body();
      } catch (error) {
        if (!(error instanceof PageMiss)) throw error;
        assert(!this.#isMutating, "nothing is missing in the middle of a mutation");
        this.misses++;
        if (error.pageId === NO_PAGE) this.#pool.makeRoom(error.frames);
        else this.#pool.load(error.pageId);
      }
    }
    throw new Error("an operation did not come to an end");
  }

  /** `run`, for code that expects a pager's. */
  readonly attempt = async <Result>(body: () => Result): Promise<Result> => this.run(body);

  fetch(id: PageId, view: PageView): Frame {
    assert(!this.#isMutating, "all pages are at hand before the mutation begins");
    this.onFetch(id);
    const frame = this.#pool.frameOf(id);
    if (frame === undefined) throw this.#missing(id, 0);
    this.#pool.point(frame, view);
    return frame;
  }

  need(id: PageId, view: PageView): Frame {
    return this.fetch(id, view);
  }

  allocate(): PageId {
    return this.allocateRun(1).first;
  }

  allocateRun(countMax: number): Run<PageId> {
    const run = this.#findRun(countMax);
    this.#picked.push(run);
    for (let page = 0; page < run.count; page++) this.#used.add((run.first + page) as PageId);
    this.#newFrames += run.count;
    this.fetch(bitmapPageOf(run.first), new PageView());
    if (this.#pool.framesLeft < this.#newFrames) throw this.#missing(NO_PAGE, this.#newFrames);
    return run;
  }

  needBits(run: Run<PageId>): void {
    this.fetch(bitmapPageOf(run.first), new PageView());
  }

  begin(undo: UndoKind): void {
    assert(!this.#isMutating, "the mini-transaction before has ended");
    this.#isMutating = true;
    this.#undo = undo;
    this.ops.reset();
    this.#opStart = 0;
    for (const run of this.#picked) this.#writeBits(run, 1);
    this.#picked.length = 0;
  }

  apply(frame: Frame): void {
    assert(this.#isMutating, "ops are applied in a mutation");
    assert(!this.#images.has(frame), "a page is changed by ops or directly, not both");
    const view = this.#pool.point(frame, new PageView());
    this.#pageOps.apply(view, this.ops.view(), this.#opStart);
    this.#opStart = this.ops.position;
    this.#changed.add(frame);
  }

  create(id: PageId, view: PageView): Frame {
    assert(this.#isMutating, "pages are made in a mutation");
    assert(this.#used.has(id), "a page is made where one was allocated");
    this.#pool.install(id, view);
    const frame = this.#pool.frameOf(id)!;
    this.#images.add(frame);
    return frame;
  }

  image(frame: Frame): void {
    assert(!this.#changed.has(frame), "a page is changed by ops or directly, not both");
    this.#images.add(frame);
  }

  free(run: Run<PageId>): void {
    for (let page = 0; page < run.count; page++) {
      const id = (run.first + page) as PageId;
      assert(
        hasBit(this.#pool.viewOf(bitmapPageOf(id)), bitOf(id)),
        "only what is in use is given back",
      );
    }
    this.#writeBits(run, 0);
    this.#freed.push(run);
  }

  end(): void {
    assert(this.#isMutating, "only what has begun ends");
    assert(this.#opStart === this.ops.position, "every op is applied");
    for (const frame of this.#images) {
      writeImage(this.ops, this.#pool.point(frame, new PageView()));
    }
    const record = this.ops.toBytes();
    const touched = [...this.#images, ...this.#changed];
    this.minis++;
    this.recordBytes += record.length;
    if (this.#undo !== "pages") {
      this.pagesChangedMax = Math.max(this.pagesChangedMax, touched.length);
    }
    for (const frame of touched) {
      setPageLsn(this.#pool.point(frame, new PageView()), toPageLsn(this.#lsn));
    }
    this.#redo(record);
    for (const run of this.#freed) this.#drop(run);
    this.#images.clear();
    this.#changed.clear();
    this.#freed.length = 0;
    this.#newFrames = 0;
    this.#isMutating = false;
    if (this.#options.comparesAll === true) this.compareWithTwins();
    this.onEnd(record, this.#undo);
  }

  /** Throws if a page differs from the one that redo made. */
  compareWithTwins(): void {
    if (this.#options.hasTwins === false) return;
    for (const id of this.#used) this.#compare(id);
  }

  /** The pages that the bitmaps say are in use, but for the bitmaps themselves. */
  usedPages(): PageId[] {
    return [...this.#used].filter((id) => bitmapPageOf(id) !== id).toSorted((a, b) => a - b);
  }

  /** A copy of a page. */
  bytesOf(id: PageId): Uint8Array {
    return this.#pool.bytesOf(id);
  }

  /** Changes a page behind everybody's back. */
  damage(id: PageId, change: (view: PageView) => void): void {
    this.#pool.load(id);
    change(this.#pool.viewOf(id));
  }

  #startAttempt(): void {
    for (const run of this.#picked) {
      for (let page = 0; page < run.count; page++) this.#used.delete((run.first + page) as PageId);
      this.#searchFrom.length = 0;
    }
    this.#picked.length = 0;
    this.#newFrames = 0;
  }

  #missing(pageId: PageId, frames: number): PageMiss {
    this.#miss.pageId = pageId;
    this.#miss.frames = frames;
    this.#miss.pages = 0;
    return this.#miss;
  }

  #drop(run: Run<PageId>): void {
    for (let page = 0; page < run.count; page++) {
      const id = (run.first + page) as PageId;
      this.#pool.drop(id);
      this.#twins.delete(id);
      this.#used.delete(id);
    }
    this.#searchFrom.length = 0;
  }

  #makeTwin(id: PageId): PageView {
    const twin = PageView.of(new Uint8Array(PAGE_BYTES));
    this.#twins.set(id, twin);
    return twin;
  }

  #makeBitmap(region: number): void {
    const id = (FIRST_BITMAP_PAGE + region * BITMAP_BITS) as PageId;
    this.#used.add(id);
    for (const view of [this.#pool.install(id), this.#makeTwin(id)]) {
      formatPage(view, id, PAGE_BITMAP);
      setBits(view, reservedBits(id), true);
    }
  }

  #findRun(countMax: number): Run<PageId> {
    const region = this.#options.pickRegion?.() ?? 0;
    const { firstPage = FIRST_BITMAP_PAGE + 1 } = this.#options;
    const start = firstPage + region * BITMAP_BITS;
    let first = (this.#searchFrom[region] ?? start) as PageId;
    while (this.#used.has(first)) first = (first + this.#step()) as PageId;
    this.#searchFrom[region] = first;
    let count = 1;
    const most = this.#options.isFragmented === true ? 1 : Math.min(countMax, this.runPagesMax);
    while (count < most && !this.#used.has((first + count) as PageId)) {
      if (bitmapPageOf((first + count) as PageId) !== bitmapPageOf(first)) break;
      count++;
    }
    return { first, count };
  }

  #step(): number {
    return this.#options.isFragmented === true ? 2 : 1;
  }

  #writeBits(run: Run<PageId>, value: 0 | 1): void {
    const bitmap = bitmapPageOf(run.first);
    writeOpHeader(this.ops, OP_BITS, bitmap);
    this.ops.u16(bitOf(run.first));
    this.ops.u16(run.count);
    this.ops.u8(value);
    this.apply(this.#pool.frameOf(bitmap)!);
  }

  #redo(record: Uint8Array): void {
    this.#lsn++;
    if (this.#options.hasTwins === false) return;
    const touched = new Set<PageId>();
    for (let at = 0; at < record.length; at = PageOps.endOf(record, at)) {
      const id = PageOps.pageOf(record, at);
      const isKnown = this.#twins.has(id);
      assert(PageOps.isImage(record, at) || isKnown, "a new page comes as an image");
      const twin = this.#twins.get(id) ?? this.#makeTwin(id);
      this.#twinOps.apply(twin, record, at);
      touched.add(id);
    }
    for (const id of touched) setPageLsn(this.#twins.get(id)!, toPageLsn(this.#lsn - 1));
    for (const id of touched) this.#compare(id);
  }

  #compare(id: PageId): void {
    const page = this.bytesOf(id);
    const twin = this.#twins.get(id);
    assert(twin !== undefined, `redo made page ${id}`);
    if (Buffer.compare(page, twin.u8) === 0) return;
    for (let at = 0; at < PAGE_BYTES; at++) {
      if (page[at] === twin.u8[at]) continue;
      throw new Error(`byte ${at} of page ${id} is ${page[at]}, redo made it ${twin.u8[at]}`);
    }
  }
}
