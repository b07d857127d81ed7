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

/**
 * Repeats history: brings every page to the state that the log describes.
 *
 * An op is applied if and only if the page's LSN is below the record's: then the page does not have
 * it yet. An image needs nothing of the page, so a page that a crash tore is never read before its
 * image is laid over it.
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
   *   `BTREE_DAMAGED_OP`.
   */
  async redo(record: WalRecord, head: MiniHead): Promise<void> {
    const { payload } = record;
    for (let at = head.opsFrom; at < payload.length; at = PageOps.endOf(payload, at)) {
      const id = PageOps.pageOf(payload, at);
      const isImage = PageOps.isImage(payload, at);
      await this.#pager.attempt(() => this.#apply(record, id, isImage ? at : ~at));
      if (isImage) this.#noteRegion(id);
    }
  }

  /** Applies the op at `where`; a negative number means an op that needs the page, at its inverse. */
  #apply(record: WalRecord, id: PageId, where: number): void {
    const isImage = where >= 0;
    const at = isImage ? where : ~where;
    const pager = this.#pager;
    const view = this.#view;
    let frame = isImage ? this.#residentFrame(id) : pager.fetch(id, view);
    if (frame === undefined) {
      pager.requireFrames(1);
      frame = pager.create(id, view);
    } else if (pager.pageLsnOf(frame) >= record.lsn) {
      this.#skippedCount++;
      return;
    }
    this.#ops.apply(view, record.payload, at);
    pager.dirtied(frame, toPageLsn(record.lsn));
    this.#appliedCount++;
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
