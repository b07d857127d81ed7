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
import { type MiniHead } from "./engine-record.ts";
import { txnError } from "./txn-error.ts";

/**
 * Repeats history: brings every page to the state that the log describes.
 *
 * All ops of a record on one page are applied together, if and only if the page's LSN is below the
 * record's: then the page has none of them yet. An image needs nothing of the page, so a page that
 * a crash tore is never read before its image is laid over it.
 *
 * Source: Mohan et al., "ARIES" (1992), §10.2: repeating history.
 */
export class Redo {
  readonly #pager: Pager;
  readonly #ops = new PageOps();
  readonly #view = new PageView();
  #appliedCount = 0;
  #skippedCount = 0;
  #regionCount = 0;

  constructor(pager: Pager) {
    this.#pager = pager;
  }

  /** Ops applied, and ops that the pages had already. */
  get counts(): { readonly applied: number; readonly skipped: number } {
    return { applied: this.#appliedCount, skipped: this.#skippedCount };
  }

  /** Regions of the file that the log knows to have begun. */
  get regionCount(): number {
    return this.#regionCount;
  }

  /**
   * Redoes one MINI or COMPENSATION record.
   *
   * @throws {KvsError} `PAGER_CORRUPT_PAGE` if a page is damaged that no image in the log restores;
   *   `BTREE_DAMAGED_OP`; `TXN_DAMAGED_STORE` if the page file is too short.
   */
  async redo(record: WalRecord, head: MiniHead): Promise<void> {
    const { payload } = record;
    for (const [id, places] of opsByPage(payload, head.opsFrom)) {
      const isImage = PageOps.isImage(payload, places[0]!);
      await this.#pager.attempt(() => this.#apply(record, id, places));
      if (isImage) this.#noteRegion(id);
    }
  }

  /** Applies all that the record says of one page, in one turn: the page has it whole or not at all. */
  #apply(record: WalRecord, id: PageId, places: readonly number[]): void {
    const pager = this.#pager;
    const view = this.#view;
    const isImage = PageOps.isImage(record.payload, places[0]!);
    let frame = isImage ? this.#residentFrame(id) : pager.fetch(id, view);
    if (frame === undefined) {
      if (id >= pager.pageCount) throw tooShort(id, pager.pageCount);
      pager.requireFrames(1);
      frame = pager.create(id, view);
    } else if (pager.pageLsnOf(frame) >= record.lsn) {
      this.#skippedCount += places.length;
      return;
    }
    for (const at of places) this.#ops.apply(view, record.payload, at);
    pager.dirtied(frame, toPageLsn(record.lsn));
    this.#appliedCount += places.length;
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

/** Where the ops of each page begin, in their order. */
function opsByPage(payload: Uint8Array, from: number): Map<PageId, number[]> {
  const pages = new Map<PageId, number[]>();
  for (let at = from; at < payload.length; at = PageOps.endOf(payload, at)) {
    const id = PageOps.pageOf(payload, at);
    const places = pages.get(id);
    if (places === undefined) pages.set(id, [at]);
    else places.push(at);
  }
  return pages;
}
