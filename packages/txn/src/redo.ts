import { type Environment, assert, yieldTurn } from "@kvs/env";
import { PageOps } from "@kvs/btree";
import {
  BITMAP_BITS,
  type Frame,
  PageMiss,
  type PageId,
  PageView,
  type Pager,
  bitmapPageOf,
  toPageLsn,
} from "@kvs/pager";
import { type WalRecord } from "@kvs/wal";
import { NO_ENTRY, RedoIndex } from "./redo-index.ts";
import { txnError } from "./txn-error.ts";

/** Log gathered before it is applied page by page: some hundred thousand records. */
const WINDOW_BYTES: number = 32 << 20;
/** Pages of a window: what `RedoIndex` can put in order. */
const WINDOW_PAGES_MAX: number = 2 ** 20;
/** A window for runs that want several of them in a short log. */
const SMALL_WINDOW_BYTES = 512;
/** What a short log fits into. */
const WINDOW_BYTES_FIRST: number = 64 << 10;
/** Pages that are read at the same time. */
const READS_MAX = 32;
/** Pages applied before others get their turn: about a millisecond. */
const SLICE_PAGES = 256;

/**
 * Repeats history: brings every page to the state that the log describes.
 *
 * Records are gathered into a window, then applied page by page in the order of page numbers, so
 * that each page is brought in once a window, and the disk reads and writes in one direction. A page
 * is changed by what the log says of that page alone, so the order between pages does not matter.
 *
 * An op is applied if and only if the page's LSN is below its record's: then the page does not have
 * it yet. An image needs nothing of the page, so a page that a crash tore is never read before its
 * image is laid over it.
 *
 * Memory: a window and some 16 bytes an op of it.
 *
 * Source: Mohan et al., "ARIES" (1992), §10.2: repeating history.
 */
export class Redo {
  readonly #environment: Environment;
  readonly #pager: Pager;
  readonly #ops = new PageOps();
  readonly #view = new PageView();
  readonly #index = new RedoIndex();
  readonly #windowBytes: number;
  #window: Uint8Array = new Uint8Array(WINDOW_BYTES_FIRST);
  #fill = 0;
  #appliedCount = 0;
  #skippedCount = 0;
  #pageCount = 0;
  #regionCount = 0;

  constructor(environment: Environment, pager: Pager) {
    this.#environment = environment;
    this.#pager = pager;
    const isSmall = environment.hooks.buggify("txn.small-redo-window");
    this.#windowBytes = isSmall ? SMALL_WINDOW_BYTES : WINDOW_BYTES;
  }

  /** Ops applied, ops that the pages had already, and pages brought up to date, once each window. */
  get counts(): { readonly applied: number; readonly skipped: number; readonly pages: number } {
    const [applied, skipped, pages] = [this.#appliedCount, this.#skippedCount, this.#pageCount];
    return { applied, skipped, pages };
  }

  /** Regions of the file that the log knows to have begun. */
  get regionCount(): number {
    return this.#regionCount;
  }

  /** Whether the window is full: apply it before you add more. */
  get isFull(): boolean {
    return this.#fill >= this.#windowBytes || this.#index.pageCount >= WINDOW_PAGES_MAX;
  }

  /**
   * Adds one MINI or COMPENSATION record to the window; its payload is copied.
   *
   * @param opsFrom Where its ops begin.
   * @throws {KvsError} `BTREE_DAMAGED_OP`.
   */
  add(record: WalRecord, opsFrom: number): void {
    const { payload, lsn } = record;
    assert(!this.isFull, "a full window is applied first");
    const shift = this.#fill - opsFrom;
    for (let at = opsFrom; at < payload.length;) {
      const end = PageOps.endOf(payload, at);
      const id = PageOps.pageOf(payload, at);
      const isImage = PageOps.isImage(payload, at);
      if (isImage) this.#noteRegion(id);
      this.#index.add(id, isImage, at + shift, lsn);
      at = end;
    }
    this.#append(payload, opsFrom);
  }

  /**
   * Brings the pages of the window up to date, and empties it.
   *
   * @throws {KvsError} `PAGER_CORRUPT_PAGE` if a page is damaged that no image in the log restores;
   *   `BTREE_DAMAGED_OP`; `TXN_DAMAGED_STORE` if the page file is too short; errors of the disk.
   */
  async apply(): Promise<void> {
    const pages = this.#index.pagesInOrder();
    let next = 0;
    let failure: { readonly error: unknown } | undefined;
    const work = async (): Promise<void> => {
      while (next < pages.length) {
        const page = pages[next++]!;
        if (!this.#tryApply(page)) await this.#pager.attempt(() => this.#applyPage(page));
        if (next % SLICE_PAGES === 0) await yieldTurn(this.#environment.clock);
      }
    };
    const fail = (error: unknown): void => {
      failure ??= { error };
      next = pages.length;
    };
    // Several at a time, for the sake of the reads; each attempt holds one page.
    const workers = Math.max(1, Math.min(READS_MAX, this.#pager.frameCount >>> 2));
    await Promise.all(Array.from({ length: workers }, () => work().catch(fail)));
    if (failure !== undefined) throw failure.error;
    this.#pageCount += pages.length;
    this.#index.clear();
    this.#fill = 0;
  }

  #append(payload: Uint8Array, from: number): void {
    const end = this.#fill + payload.length - from;
    if (end > this.#window.length) {
      let length = this.#window.length;
      while (length < end) length *= 2;
      const window = new Uint8Array(length);
      window.set(this.#window.subarray(0, this.#fill));
      this.#window = window;
    }
    this.#window.set(from === 0 ? payload : payload.subarray(from), this.#fill);
    this.#fill = end;
  }

  /** Applies what is said of a page if it is at hand; false if something has to be waited for. */
  #tryApply(page: number): boolean {
    try {
      this.#applyPage(page);
      return true;
    } catch (error) {
      if (error instanceof PageMiss) return false;
      throw error;
    }
  }

  /** Applies all that the window says of one page, in one turn. */
  #applyPage(page: number): void {
    const index = this.#index;
    const frame = this.#frameFor(page);
    const startLsn = this.#pager.pageLsnOf(frame);
    let lsn = startLsn as number;
    for (let entry = index.firstEntry(page); entry !== NO_ENTRY; entry = index.nextEntry(entry)) {
      const entryLsn = index.lsnOf(entry);
      if (entryLsn <= startLsn) {
        this.#skippedCount++;
        continue;
      }
      this.#ops.apply(this.#view, this.#window, index.offsetOf(entry));
      this.#appliedCount++;
      lsn = entryLsn;
    }
    if (lsn > startLsn) this.#pager.dirtied(frame, toPageLsn(lsn));
  }

  /** Points the view at the page, or at a new frame for it if its first op is an image. */
  #frameFor(page: number): Frame {
    const pager = this.#pager;
    const id = this.#index.idOf(page);
    if (!this.#index.startsWithImage(page)) {
      const frame = pager.fetch(id, this.#view);
      pager.requireFrames(0);
      return frame;
    }
    const resident = this.#residentFrame(id);
    if (resident !== undefined) {
      pager.requireFrames(0);
      return resident;
    }
    if (id >= pager.pageCount) throw tooShort(id, pager.pageCount);
    pager.requireFrames(1);
    return pager.create(id, this.#view);
  }

  #residentFrame(id: PageId): Frame | undefined {
    try {
      return this.#pager.fetch(id, this.#view);
    } catch (error) {
      if (error instanceof PageMiss) return undefined;
      throw error;
    }
  }

  /** A bitmap page made since the checkpoint: its region of the file is in use. */
  #noteRegion(id: PageId): void {
    if (bitmapPageOf(id) !== id) return;
    this.#regionCount = Math.max(this.#regionCount, Math.floor(id / BITMAP_BITS) + 1);
  }
}

/** The file grows durably before its new pages come into the log. */
function tooShort(page: PageId, pageCount: number): Error {
  const message =
    `the log has page ${page}, but the page file has only ${pageCount} pages; ` +
    "restore the store from a copy";
  return txnError("TXN_DAMAGED_STORE", message, { details: { page, pageCount } });
}
