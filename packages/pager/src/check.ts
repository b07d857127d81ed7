import { type DataKeys, type Environment, type File, isKvsError, readFullyAt } from "@kvs/env";
import { BITMAP_BITS, FIRST_BITMAP_PAGE, hasBit } from "./bitmap.ts";
import { HEADER_COPIES, type PageFileHeader } from "./file-header.ts";
import { readFileHeader } from "./page-file.ts";
import { FLAG_AUTHENTICATED, PAGE_BITMAP, PAGE_BYTES, PAGE_FLAGS_OFFSET } from "./page-header.ts";
import { pageType } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { findPageFault, sealedKeyOf } from "./page-seal.ts";
import { PageSealer } from "./page-sealer.ts";
import { PageView } from "./page-view.ts";
import { type CorruptionReason } from "./pager-error.ts";

/** Pages read at a time: 256 KiB. */
const READ_PAGES = 64;
/** Problems listed one by one; the rest is counted. */
const PROBLEMS_MAX = 1000;

/** One thing that is wrong with a page file. */
export interface PageProblem {
  readonly page: number;
  /** Where the page begins in the file. */
  readonly offset: number;
  /**
   * `unreadable`: the disk says so. `unmarked`: in use by its place, but free in its bitmap.
   * `not-authentic`, `key-unknown`: under the keys given, `found` is the key's number.
   */
  readonly reason: CorruptionReason | "unreadable" | "unmarked" | "not-authentic" | "key-unknown";
  readonly expected: number;
  readonly found: number;
}

export interface VerifyOptions {
  /** With them sealed pages are opened; without them their checksums have to do. */
  readonly keys?: DataKeys;
}

/** What `verifyPages` found. */
export interface PageFileReport {
  /** The header, if one copy of it is intact. */
  readonly header: PageFileHeader;
  readonly pageCount: number;
  /** Bytes behind the last whole page, as a crash while the file grows may leave. */
  readonly trailingBytes: number;
  /** Pages that the bitmaps call used, headers and bitmaps included. */
  readonly usedPages: number;
  /** Pages of the file that they call free. */
  readonly freePages: number;
  /** Pages of regions whose bitmap cannot be read: nobody knows which are in use. */
  readonly unknownPages: number;
  /** By key, the pages in use that are under it; 0 stands for plain pages. */
  readonly usedByKey: ReadonlyMap<number, number>;
  /** By key, the free pages that hold an intact page of old; those that hold none are not counted. */
  readonly freeByKey: ReadonlyMap<number, number>;
  /** The first 1,000, by page. */
  readonly problems: readonly PageProblem[];
  readonly problemCount: number;
}

/**
 * Reads the whole file, and verifies of every page that the bitmaps call used its checksum, its number
 * and its file and, with keys, that it is what was sealed. Free pages hold anything, also damaged
 * pages: of them it only tells the keys. What pages mean is not looked at.
 *
 * The file must not be open for writing. If it was not closed in good order (`header.isClean`), it
 * is only whole together with its log: pages that the log holds may be missing here.
 *
 * Without keys the bitmaps of a sealed file cannot be read, and its pages are `unknownPages`.
 *
 * @returns `undefined` if there is no such file.
 * @throws {KvsError} `PAGER_NO_HEADER`, `PAGER_UNKNOWN_VERSION`; of the disk, but not `DISK_IO` of a
 *   page, which is a problem of that page.
 */
export async function verifyPages(
  environment: Environment,
  path: string,
  options: VerifyOptions = {},
): Promise<PageFileReport | undefined> {
  const header = await readFileHeader(environment, path);
  if (header === undefined) return undefined;
  const owner = { fileId: header.fileId, epoch: header.epoch };
  const sealer = new PageSealer(environment, { path, owner, keys: options.keys });
  const file = await environment.disk.open(path, { readOnly: true });
  try {
    const sizeBytes = await file.size();
    const isKeyed = options.keys !== undefined;
    const check = new PageFileCheck({ file, header, sealer, isKeyed, sizeBytes });
    await check.run();
    return check.report();
  } finally {
    await file.close();
  }
}

interface CheckParts {
  readonly file: File;
  readonly header: PageFileHeader;
  readonly sealer: PageSealer;
  readonly isKeyed: boolean;
  readonly sizeBytes: number;
}

class PageFileCheck {
  readonly #parts: CheckParts;
  readonly #pageCount: number;
  readonly #problems: PageProblem[] = [];
  #problemCount = 0;
  #usedPages = 0;
  #freePages = 0;
  #unknownPages = 0;
  readonly #usedByKey: Map<number, number> = new Map();
  readonly #freeByKey: Map<number, number> = new Map();
  readonly #buffer: Uint8Array = new Uint8Array(READ_PAGES * PAGE_BYTES);
  readonly #bitmap: Uint8Array = new Uint8Array(PAGE_BYTES);

  constructor(parts: CheckParts) {
    this.#parts = parts;
    this.#pageCount = Math.floor(parts.sizeBytes / PAGE_BYTES);
  }

  report(): PageFileReport {
    return {
      header: this.#parts.header,
      pageCount: this.#pageCount,
      trailingBytes: this.#parts.sizeBytes % PAGE_BYTES,
      usedPages: this.#usedPages,
      freePages: this.#freePages,
      unknownPages: this.#unknownPages,
      usedByKey: this.#usedByKey,
      freeByKey: this.#freeByKey,
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  async run(): Promise<void> {
    const { regionCount } = this.#parts.header;
    if (regionCount === 0) await this.#checkUsed(0, HEADER_COPIES);
    for (let region = 0; region < regionCount; region++) {
      await this.#checkRegion(region * BITMAP_BITS);
    }
    const known = Math.max(regionCount * BITMAP_BITS, HEADER_COPIES);
    await this.#checkFree(known, this.#pageCount - known);
  }

  async #checkRegion(from: number): Promise<void> {
    const id = from + FIRST_BITMAP_PAGE;
    if (!(await this.#readBitmap(id))) {
      const own = from === 0 ? HEADER_COPIES + 1 : 1;
      if (from === 0) await this.#checkUsed(0, HEADER_COPIES);
      this.#unknownPages += Math.max(0, Math.min(BITMAP_BITS, this.#pageCount - from) - own);
      return;
    }
    const view = PageView.of(this.#bitmap);
    this.#checkReserved(from, view);
    for (let bit = 0; bit < BITMAP_BITS;) {
      const isUsed = hasBit(view, bit);
      let end = bit + 1;
      while (end < BITMAP_BITS && end - bit < READ_PAGES && hasBit(view, end) === isUsed) end++;
      if (isUsed) await this.#checkUsed(from + bit, end - bit);
      else await this.#checkFree(from + bit, Math.min(end - bit, this.#pageCount - from - bit));
      bit = end;
    }
  }

  /** Pages in use by their place are marked. */
  #checkReserved(from: number, view: PageView): void {
    for (let bit = 0; bit <= FIRST_BITMAP_PAGE; bit++) {
      const isReserved = from === 0 || bit === FIRST_BITMAP_PAGE;
      if (isReserved && !hasBit(view, bit)) this.#note(from + bit, "unmarked", 1, 0);
    }
  }

  /** Reads the bitmap page, which is verified with the others. Returns whether it can be used. */
  async #readBitmap(id: number): Promise<boolean> {
    const count = await this.#read(this.#bitmap, id);
    const page = this.#bitmap.subarray(0, Math.max(0, count));
    const fault = this.#faultOf(page, id);
    const isSealed = fault === undefined && sealedKeyOf(this.#bitmap) !== 0; // there are no keys
    const type = pageType(PageView.of(this.#bitmap));
    if (fault === undefined && type === PAGE_BITMAP && !isSealed) return true;
    await this.#checkUsed(id, 1);
    if (fault === undefined && type !== PAGE_BITMAP) this.#note(id, "type", PAGE_BITMAP, type);
    return false;
  }

  /** Verifies pages in a row. */
  async #checkUsed(first: number, count: number): Promise<void> {
    const target = this.#buffer.subarray(0, count * PAGE_BYTES);
    const read = await this.#read(target, first);
    if (read < 0 && count > 1) {
      for (let page = 0; page < count; page++) await this.#checkUsed(first + page, 1);
      return;
    }
    this.#usedPages += count;
    for (let page = 0; page < count; page++) {
      const from = page * PAGE_BYTES;
      const bytes = target.subarray(from, Math.max(from, Math.min(from + PAGE_BYTES, read)));
      const key = bytes.length === PAGE_BYTES ? sealedKeyOf(bytes) : 0;
      const fault = read < 0 ? UNREADABLE : this.#faultOf(bytes, first + page);
      if (fault === undefined) addOne(this.#usedByKey, key);
      else this.#note(first + page, fault.reason, fault.expected, fault.found);
    }
  }

  /** Notes the keys of what free pages still hold. */
  async #checkFree(first: number, count: number): Promise<void> {
    for (let done = 0; done < count; done += READ_PAGES) {
      const pages = Math.min(READ_PAGES, count - done);
      this.#freePages += pages;
      const target = this.#buffer.subarray(0, pages * PAGE_BYTES);
      const read = await this.#read(target, first + done);
      for (let from = 0; from + PAGE_BYTES <= read; from += PAGE_BYTES) {
        const bytes = target.subarray(from, from + PAGE_BYTES);
        const id = (first + done + from / PAGE_BYTES) as PageId;
        const { fileId } = this.#parts.header;
        if (findPageFault(bytes, { id, fileId }) !== undefined) continue;
        addOne(this.#freeByKey, sealedKeyOf(bytes));
      }
    }
  }

  /** What is wrong with a page that must be one. Opens it in place if there are keys. */
  #faultOf(bytes: Uint8Array, page: number): Omit<PageProblem, "page" | "offset"> | undefined {
    const { header, sealer, isKeyed } = this.#parts;
    const id = page as PageId;
    const fault = findPageFault(bytes, { id, fileId: header.fileId });
    if (fault !== undefined || !isKeyed) return fault;
    const key = sealedKeyOf(bytes);
    try {
      if ((bytes[PAGE_FLAGS_OFFSET]! & FLAG_AUTHENTICATED) === 0) sealer.open(bytes, id);
      else sealer.requireAuthentic(bytes, id);
      return undefined;
    } catch (error) {
      const isUnknown = isKvsError(error, "PAGER_KEY_UNKNOWN");
      if (!isUnknown && !isKvsError(error, "PAGER_NOT_AUTHENTIC")) throw error;
      return { reason: isUnknown ? "key-unknown" : "not-authentic", expected: 0, found: key };
    }
  }

  /** How many bytes were read; -1 if the disk cannot read them. */
  async #read(target: Uint8Array, page: number): Promise<number> {
    try {
      return await readFullyAt(this.#parts.file, target, page * PAGE_BYTES);
    } catch (error) {
      if (!isKvsError(error, "DISK_IO")) throw error;
      return -1;
    }
  }

  #note(page: number, reason: PageProblem["reason"], expected: number, found: number): void {
    this.#problemCount++;
    if (this.#problems.length === PROBLEMS_MAX) return;
    this.#problems.push({ page, offset: page * PAGE_BYTES, reason, expected, found });
  }
}

const UNREADABLE = { reason: "unreadable", expected: PAGE_BYTES, found: 0 } as const;

function addOne(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
