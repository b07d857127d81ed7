import { type Environment, type File, isKvsError, readFullyAt } from "@kvs/env";
import { BITMAP_BITS, FIRST_BITMAP_PAGE, hasBit } from "./bitmap.ts";
import { HEADER_COPIES, type PageFileHeader } from "./file-header.ts";
import { readFileHeader } from "./page-file.ts";
import { PAGE_BITMAP, PAGE_BYTES, pageType } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { findPageFault } from "./page-seal.ts";
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
  /** `unreadable`: the disk says so. `unmarked`: in use by its place, but free in its bitmap. */
  readonly reason: CorruptionReason | "unreadable" | "unmarked";
  readonly expected: number;
  readonly found: number;
}

/** What `verifyPages` found. */
export interface PageFileReport {
  /** The header, if one copy of it is intact. */
  readonly header: PageFileHeader;
  readonly pageCount: number;
  /** Pages that the bitmaps call used, headers and bitmaps included. */
  readonly usedPages: number;
  /** The first 1,000, by page. */
  readonly problems: readonly PageProblem[];
  readonly problemCount: number;
}

/**
 * Reads every page that the bitmaps call used, and verifies its checksum and header. What the pages
 * mean is not looked at.
 *
 * The file must not be open for writing. If it was not closed in good order (`header.isClean`), it
 * is only whole together with its log: pages that the log holds may be missing here.
 *
 * @returns `undefined` if there is no such file.
 * @throws {KvsError} `PAGER_NO_HEADER`, `PAGER_UNKNOWN_VERSION`, `DISK_IO`.
 */
export async function verifyPages(
  environment: Environment,
  path: string,
): Promise<PageFileReport | undefined> {
  const header = await readFileHeader(environment, path);
  if (header === undefined) return undefined;
  const file = await environment.disk.open(path, { readOnly: true });
  try {
    const check = new PageFileCheck(file, header, Math.floor((await file.size()) / PAGE_BYTES));
    await check.run();
    return {
      header,
      pageCount: check.pageCount,
      usedPages: check.usedPages,
      problems: check.problems,
      problemCount: check.problemCount,
    };
  } finally {
    await file.close();
  }
}

class PageFileCheck {
  readonly pageCount: number;
  readonly problems: PageProblem[] = [];
  problemCount = 0;
  usedPages = 0;
  readonly #file: File;
  readonly #header: PageFileHeader;
  readonly #buffer: Uint8Array = new Uint8Array(READ_PAGES * PAGE_BYTES);
  readonly #bitmap: Uint8Array = new Uint8Array(PAGE_BYTES);

  constructor(file: File, header: PageFileHeader, pageCount: number) {
    this.#file = file;
    this.#header = header;
    this.pageCount = pageCount;
  }

  async run(): Promise<void> {
    if (this.#header.regionCount === 0) await this.#checkRun(0, HEADER_COPIES);
    for (let region = 0; region < this.#header.regionCount; region++) {
      await this.#checkRegion(region * BITMAP_BITS);
    }
  }

  async #checkRegion(from: number): Promise<void> {
    const id = from + FIRST_BITMAP_PAGE;
    if (!(await this.#readBitmap(id))) return;
    const view = PageView.of(this.#bitmap);
    for (let bit = 0; bit <= FIRST_BITMAP_PAGE; bit++) {
      const isReserved = from === 0 || bit === FIRST_BITMAP_PAGE;
      if (isReserved && !hasBit(view, bit)) this.#note(from + bit, "unmarked", 1, 0);
    }
    for (let bit = 0; bit < BITMAP_BITS;) {
      if (!hasBit(view, bit)) {
        bit++;
        continue;
      }
      let end = bit + 1;
      while (end < BITMAP_BITS && end - bit < READ_PAGES && hasBit(view, end)) end++;
      await this.#checkRun(from + bit, end - bit);
      bit = end;
    }
  }

  /** Reads the bitmap page, which is verified with the others. Returns whether it can be used. */
  async #readBitmap(id: number): Promise<boolean> {
    const count = await this.#read(this.#bitmap, id);
    const expected = { id: id as PageId, fileId: this.#header.fileId };
    const isSound = findPageFault(this.#bitmap.subarray(0, count), expected) === undefined;
    const type = pageType(PageView.of(this.#bitmap));
    if (isSound && type === PAGE_BITMAP) return true;
    await this.#checkRun(id, 1);
    if (isSound) this.#note(id, "type", PAGE_BITMAP, type);
    return false;
  }

  /** Verifies pages in a row. */
  async #checkRun(first: number, count: number): Promise<void> {
    this.usedPages += count;
    const target = this.#buffer.subarray(0, count * PAGE_BYTES);
    const read = await this.#read(target, first);
    if (read < 0 && count > 1) {
      this.usedPages -= count;
      for (let page = 0; page < count; page++) await this.#checkRun(first + page, 1);
      return;
    }
    for (let page = 0; page < count; page++) {
      const from = page * PAGE_BYTES;
      const bytes = target.subarray(from, Math.max(from, Math.min(from + PAGE_BYTES, read)));
      const expected = { id: (first + page) as PageId, fileId: this.#header.fileId };
      const fault = read < 0 ? UNREADABLE : findPageFault(bytes, expected);
      if (fault !== undefined) this.#note(first + page, fault.reason, fault.expected, fault.found);
    }
  }

  /** How many bytes were read; -1 if the disk cannot read them. */
  async #read(target: Uint8Array, page: number): Promise<number> {
    try {
      return await readFullyAt(this.#file, target, page * PAGE_BYTES);
    } catch (error) {
      if (!isKvsError(error, "DISK_IO")) throw error;
      return -1;
    }
  }

  #note(page: number, reason: PageProblem["reason"], expected: number, found: number): void {
    this.problemCount++;
    if (this.problems.length === PROBLEMS_MAX) return;
    this.problems.push({ page, offset: page * PAGE_BYTES, reason, expected, found });
  }
}

const UNREADABLE = { reason: "unreadable", expected: PAGE_BYTES, found: 0 } as const;
