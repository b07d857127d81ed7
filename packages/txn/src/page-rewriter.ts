import { PAGE_BYTES, type PageId, PageView, type Pager } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { attemptMini } from "./attempt-mini.ts";
import { type BatchQueue } from "./batch-queue.ts";
import { type MiniTransaction } from "./mini-transaction.ts";
import { type MutationGuard } from "./mutation-guard.ts";

/** What a record of one page's image takes beyond the page. */
const RECORD_OVERHEAD_BYTES = 128;

export interface PageRewriterParts {
  readonly pager: Pager;
  readonly wal: Wal;
  readonly mini: MiniTransaction;
  readonly guard: MutationGuard;
  readonly queue: BatchQueue;
}

/**
 * Brings pages into the log as images, and so, with the next checkpoint, anew into the page file:
 * what a page says does not change. For pages that are sealed with an old key, and for those that
 * only memory has whole.
 */
export class PageRewriter {
  readonly #parts: PageRewriterParts;
  readonly #view = new PageView();

  constructor(parts: PageRewriterParts) {
    this.#parts = parts;
  }

  /**
   * Logs an image of each of these pages, in one turn among the batches. Those that are free by then
   * are left out.
   *
   * @param ids Few enough for a millisecond of work.
   * @returns How many were logged.
   * @throws {KvsError} `PAGER_CORRUPT_PAGE` of a page that is damaged; `TXN_POISONED`;
   *   `WAL_DISK_FULL` (retryable).
   */
  rewrite(ids: readonly PageId[]): Promise<number> {
    const { wal, guard, queue } = this.#parts;
    return queue.exclusive(async () => {
      guard.requireSound();
      await wal.room();
      await wal.ensureSpace(ids.length * (PAGE_BYTES + RECORD_OVERHEAD_BYTES));
      let count = 0;
      for (const id of ids) {
        if (await attemptMini(this.#parts, () => this.#rewriteOne(id))) count++;
      }
      return count;
    });
  }

  #rewriteOne(id: PageId): boolean {
    const { pager, mini } = this.#parts;
    if (pager.space.isFree(id)) return false;
    const frame = mini.need(id, this.#view);
    mini.begin("none");
    mini.image(frame);
    mini.end();
    return true;
  }
}
