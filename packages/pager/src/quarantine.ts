import { type KvsError, isKvsError } from "@kvs/env";
import { type PageId } from "./page-id.ts";

/** Damaged pages remembered. Of a file with more every read finds out anew. */
const PAGES_MAX = 1024;

/**
 * Pages that were found damaged. Who asks for one gets the same error again, without another read,
 * until the page is written anew or given up; all other pages are as good as before.
 */
export class Quarantine {
  /** Pages found damaged since the pager was opened. */
  foundCount = 0;
  readonly #errors: Map<PageId, KvsError> = new Map();

  /** By number. */
  get pages(): readonly PageId[] {
    return [...this.#errors.keys()].toSorted((one, other) => one - other);
  }

  get size(): number {
    return this.#errors.size;
  }

  /**
   * Answers for a page that was found damaged.
   *
   * @throws {KvsError} What was found then.
   */
  requireSound(id: PageId): void {
    if (this.#errors.size === 0) return;
    const error = this.#errors.get(id);
    if (error !== undefined) throw error;
  }

  /** Remembers a page if the error says that it is damaged. A disk that cannot read may yet be able. */
  note(id: PageId, error: unknown): void {
    if (!isDamage(error)) return;
    this.foundCount++;
    if (this.#errors.size < PAGES_MAX) this.#errors.set(id, error);
  }

  /** The page's content on disk does not matter any more. */
  lift(id: PageId): void {
    if (this.#errors.size > 0) this.#errors.delete(id);
  }
}

/** Whether an error says that the bytes on the disk are not the page that belongs there. */
export function isDamage(error: unknown): error is KvsError {
  return (
    isKvsError(error, "PAGER_CORRUPT_PAGE") ||
    isKvsError(error, "PAGER_NOT_AUTHENTIC") ||
    isKvsError(error, "PAGER_LOST_WRITE")
  );
}
