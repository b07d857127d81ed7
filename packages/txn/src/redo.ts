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
/** The most that is copied at once: what one read of the log brings. */
const BATCH_BYTES_MAX: number = 1 << 20;
/** What comes from memory together. */
const CACHE_LINE_BYTES = 64;
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
  /** The memory that payloads of the batch lie in, if they are in the window already. */
  #copied: ArrayBufferLike | undefined;
  /** The first byte of it that is, and what to add to the place of one for its place in the window. */
  #copiedFrom = 0;
  #copiedTo = 0;
  #copiedShift = 0;
  /** The op that is being added. */
  readonly #place = { from: 0, to: 0, lsn: 0 };
  /** Of no meaning: kept, so that nobody takes the reads of `#touch` for useless. */
  touched = 0;
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

  /**
   * Ops applied, records that pages had already, once each page, and pages brought up to date, once
   * each window.
   */
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

  /** Whether the window can take a record that ends here: if not, apply it first. */
  canTake(lsn: number): boolean {
    return !this.isFull && this.#index.canTell(lsn);
  }

  /**
   * Copies the payloads of a batch into the window at once, if they lie side by side in the memory
   * that they were read into. What is added afterwards may be among them or not.
   */
  copyBatch(records: readonly WalRecord[]): void {
    const first = records[0]!.payload;
    const last = records.at(-1)!.payload;
    const length = last.byteOffset + last.length - first.byteOffset;
    this.#copied = undefined;
    if (first.buffer !== last.buffer || length < 0 || length > BATCH_BYTES_MAX) return;
    this.#copied = first.buffer;
    this.#copiedFrom = first.byteOffset;
    this.#copiedTo = first.byteOffset + length;
    this.#copiedShift = this.#fill - first.byteOffset;
    this.#append(new Uint8Array(first.buffer, first.byteOffset, length));
  }

  /**
   * Adds one MINI or COMPENSATION record to the window; its payload is copied, if it was not.
   *
   * @param opsFrom Where its ops begin.
   * @throws {KvsError} `BTREE_DAMAGED_OP`.
   */
  add(record: WalRecord, opsFrom: number): void {
    const { payload, lsn } = record;
    assert(this.canTake(lsn), "a full window is applied first");
    const isCopied = this.#isCopied(payload);
    const shift = isCopied ? payload.byteOffset + this.#copiedShift : this.#fill - opsFrom;
    const place = this.#place;
    place.lsn = lsn;
    for (let at = opsFrom; at < payload.length;) {
      const end = PageOps.endOf(payload, at);
      const id = PageOps.pageOf(payload, at);
      const isImage = PageOps.isImage(payload, at);
      if (isImage) this.#noteRegion(id);
      place.from = at + shift;
      place.to = end + shift;
      this.#index.add(id, isImage, place);
      at = end;
    }
    if (!isCopied) this.#append(opsFrom === 0 ? payload : payload.subarray(opsFrom));
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
    this.#copied = undefined;
  }

  #isCopied({ buffer, byteOffset, length }: Uint8Array): boolean {
    if (buffer !== this.#copied) return false;
    return byteOffset >= this.#copiedFrom && byteOffset + length <= this.#copiedTo;
  }

  #append(bytes: Uint8Array): void {
    const end = this.#fill + bytes.length;
    if (end > this.#window.length) {
      let length = this.#window.length;
      while (length < end) length *= 2;
      const window = new Uint8Array(length);
      window.set(this.#window.subarray(0, this.#fill));
      this.#window = window;
    }
    this.#window.set(bytes, this.#fill);
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
    for (let entry = index.firstEntry(page); entry !== NO_ENTRY;) {
      const next = index.nextEntry(entry);
      if (next !== NO_ENTRY) this.#touch(index.fromOf(next));
      const entryLsn = index.lsnOf(entry);
      if (entryLsn <= startLsn) this.#skippedCount++;
      else {
        this.#applyEntry(index.fromOf(entry), index.toOf(entry));
        lsn = entryLsn;
      }
      entry = next;
    }
    if (lsn > startLsn) this.#pager.dirtied(frame, toPageLsn(lsn));
  }

  /** Applies the ops of one record to the page that the view shows. */
  #applyEntry(from: number, to: number): void {
    for (let at = from; at < to; at = PageOps.endOf(this.#window, at)) {
      this.#ops.apply(this.#view, this.#window, at);
      this.#appliedCount++;
    }
  }

  /** Has the processor bring the beginning of an entry while it applies the one before. */
  #touch(at: number): void {
    const window = this.#window;
    this.touched =
      window[at]! ^ window[at + CACHE_LINE_BYTES]! ^ window[at + 2 * CACHE_LINE_BYTES]!;
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
