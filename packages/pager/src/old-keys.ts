import { assert, isKvsError, readFullyAt } from "@kvs/env";
import { type FrameCache } from "./frame-cache.ts";
import { type FreeSpace } from "./free-space.ts";
import { HEADER_COPIES } from "./file-header.ts";
import { type PageFile } from "./page-file.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { type PageId, toPageId } from "./page-id.ts";
import { findPageFault, sealedKeyOf } from "./page-seal.ts";
import { type PageSealer } from "./page-sealer.ts";
import { ABSENT } from "./page-table.ts";
import { type WriteBack } from "./write-back.ts";

/** Pages read at a time: 256 KiB. */
const READ_PAGES = 64;
/** A page may be read while it is written: it is read again so often before it counts as damaged. */
const READS_MAX = 3;

/** What a stretch of the file holds that is not under the current key. */
export interface OldKeyPages {
  /** Pages in use whose only whole state is plain or under another key: touch each one. */
  readonly pages: readonly PageId[];
  /** Pages in use that are changed in memory: their next write is under the current key. */
  readonly pendingCount: number;
  /** Pages in use that cannot be read at all: no key helps. */
  readonly damagedCount: number;
  /** Where to go on, `undefined` behind the last page. */
  readonly next: PageId | undefined;
}

export interface OldKeyParts {
  readonly file: PageFile;
  readonly cache: FrameCache;
  readonly writeBack: WriteBack;
  readonly space: FreeSpace;
  readonly sealer: PageSealer;
}

/**
 * Looks for pages that are not under the current key, in the file itself, `countMax` pages of it
 * from `from` on. Nothing is kept in memory for it, and no frame is taken.
 */
export async function findOldKeyPages(
  parts: OldKeyParts,
  from: PageId,
  countMax: number,
): Promise<OldKeyPages> {
  assert(countMax >= 1, "a stretch has a page at least");
  const scan = new OldKeyScan(parts);
  const to = Math.min(from + countMax, parts.file.pageCount);
  for (let first: number = Math.max(from, HEADER_COPIES); first < to; first += READ_PAGES) {
    await scan.read(first, Math.min(READ_PAGES, to - first));
  }
  const { pages, pendingCount, damagedCount } = scan;
  const next = to < parts.file.pageCount ? toPageId(to) : undefined;
  return { pages, pendingCount, damagedCount, next };
}

class OldKeyScan {
  readonly pages: PageId[] = [];
  pendingCount = 0;
  damagedCount = 0;
  readonly #parts: OldKeyParts;
  readonly #buffer: Uint8Array = new Uint8Array(READ_PAGES * PAGE_BYTES);

  constructor(parts: OldKeyParts) {
    this.#parts = parts;
  }

  async read(first: number, count: number): Promise<void> {
    const { space } = this.#parts;
    while (count > 0 && space.isFree(first as PageId)) {
      first++;
      count--;
    }
    if (count === 0) return;
    const bytes = this.#buffer.subarray(0, count * PAGE_BYTES);
    const read = await this.#readBytes(bytes, first);
    const doubtful: PageId[] = [];
    for (let page = 0; page < count; page++) {
      const end = Math.min((page + 1) * PAGE_BYTES, Math.max(read, page * PAGE_BYTES));
      const id = (first + page) as PageId;
      if (!this.#judge(id, bytes.subarray(page * PAGE_BYTES, end))) doubtful.push(id);
    }
    for (const id of doubtful) await this.#readAgain(id);
  }

  async #readAgain(id: PageId): Promise<void> {
    const bytes = this.#buffer.subarray(0, PAGE_BYTES);
    for (let reads = 1; reads < READS_MAX; reads++) {
      const read = await this.#readBytes(bytes, id);
      if (this.#judge(id, bytes.subarray(0, read))) return;
    }
    this.damagedCount++;
  }

  /** Returns false for bytes that are no page. */
  #judge(id: PageId, bytes: Uint8Array): boolean {
    const { cache, writeBack, space, sealer } = this.#parts;
    const { fileId } = sealer.owner;
    if (space.isFree(id)) return true;
    const frame = cache.frameOf(id);
    if (writeBack.isWriting(id) || (frame !== ABSENT && cache.isDirty(frame))) {
      this.pendingCount++;
      return true;
    }
    if (findPageFault(bytes, { id, fileId }) !== undefined) return false;
    if (sealedKeyOf(bytes) !== sealer.currentKeyId) this.pages.push(id);
    return true;
  }

  async #readBytes(target: Uint8Array, first: number): Promise<number> {
    try {
      return await readFullyAt(this.#parts.file.file, target, first * PAGE_BYTES);
    } catch (error) {
      if (!isKvsError(error, "DISK_IO")) throw error;
      return 0;
    }
  }
}
