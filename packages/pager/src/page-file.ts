import {
  type Environment,
  type File,
  KvsError,
  assert,
  isKvsError,
  readFullyAt,
  writeFullyAt,
} from "@kvs/env";
import {
  HEADER_COPIES,
  type PageFileHeader,
  decodeFileHeader,
  encodeFileHeader,
  headerPageOf,
} from "./file-header.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { sealedKeyOf } from "./page-seal.ts";
import { type PageSealer } from "./page-sealer.ts";
import { diskFull, fileFull, noHeader, writeFailed } from "./pager-error.ts";

/** Page ids are 32 bits wide. */
const PAGES_MAX = 2 ** 32;
/** The file grows by at least this many pages, */
const GROW_PAGES_MIN = 16;
/** or by its size divided by this, */
const GROW_DIVISOR = 16;
/** but not by more than 16 MiB unless asked to: allocation writes real zeros. */
const GROW_PAGES_MAX = 4096;

/** An open page file: its length, its growth, its header. */
export class PageFile {
  readonly file: File;
  readonly #path: string;
  readonly #sealer: PageSealer;
  #pageCount: number;
  #header: PageFileHeader;
  /** Which key each copy of the header is under. */
  readonly #headerKeyIds: number[];
  /** Whether the newest header on disk is known to be durable, so that the other may go. */
  #isHeaderDurable = false;
  #growing: Promise<void> = Promise.resolve();
  #growthCount = 0;
  /** Sabotage: a header counts before it is durable. */
  readonly #skipsHeaderSync: boolean;

  private constructor(environment: Environment, parts: OpenedFile) {
    const { file, pageCount, headers, sealer } = parts;
    this.file = file;
    this.#path = file.path;
    this.#sealer = sealer;
    this.#pageCount = pageCount;
    this.#header = headers.newest;
    this.#headerKeyIds = headers.keyIds;
    this.#skipsHeaderSync = environment.hooks.hasMutant("pager.skip-header-sync");
  }

  /**
   * Opens a page file.
   *
   * @throws {KvsError} `DISK_NOT_FOUND`, `PAGER_NO_HEADER`, `PAGER_UNKNOWN_VERSION`, `DISK_IO`;
   *   of its header `PAGER_NOT_AUTHENTIC`, `PAGER_KEY_UNKNOWN`.
   */
  static async open(
    environment: Environment,
    path: string,
    options: { readonly readOnly: boolean; readonly sealer: PageSealer },
  ): Promise<PageFile> {
    const { readOnly, sealer } = options;
    const file = await environment.disk.open(path, { readOnly });
    try {
      const headers = await readHeaderCopies(file, path);
      sealer.requireAuthentic(headers.page, headerPageOf(headers.newest.sequence));
      const pageCount = Math.floor((await file.size()) / PAGE_BYTES);
      return new PageFile(environment, { file, pageCount, headers, sealer });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The file's length in pages. */
  get pageCount(): number {
    return this.#pageCount;
  }

  /** Times that the file grew. */
  get growthCount(): number {
    return this.#growthCount;
  }

  /** Which key each of the two copies of the header is under; 0 for none. */
  get headerKeyIds(): readonly number[] {
    return this.#headerKeyIds;
  }

  /** The header as read, or as written last. */
  get header(): PageFileHeader {
    return this.#header;
  }

  /**
   * Makes the file longer by at least `pages` pages of zeros, durably. Calls that overlap share.
   *
   * @throws {KvsError} `DISK_FULL` (retryable, nothing happened); `PAGER_FILE_FULL`;
   *   `PAGER_WRITE_FAILED`.
   */
  async grow(pages: number): Promise<void> {
    assert(Number.isInteger(pages) && pages >= 1, "a file grows by whole pages");
    const target = this.#pageCount + pages;
    if (target > PAGES_MAX) throw fileFull(this.#path, this.#pageCount);
    const before = this.#growing;
    const own = before.then(() => this.#growTo(target));
    this.#growing = own.catch(() => undefined); // the next in line tries for itself
    await own;
  }

  /**
   * Cuts the file's end off, durably. Growth waits meanwhile, and from the choice on the pages
   * behind the new end do not exist for anybody.
   *
   * @param choose Called in the turn in which it is decided: the new length in pages.
   * @returns How many pages went.
   * @throws {KvsError} `PAGER_WRITE_FAILED`.
   */
  async shrink(choose: () => number): Promise<number> {
    const before = this.#growing;
    const own = before.then(() => this.#shrinkTo(choose()));
    this.#growing = own.then(
      () => undefined,
      () => undefined,
    );
    return own;
  }

  /**
   * Writes the header, over the older of the two copies, and waits until it is durable.
   *
   * @throws {KvsError} `DISK_FULL`: the older header still holds. `PAGER_WRITE_FAILED`.
   */
  async writeHeader(fields: Omit<PageFileHeader, "sequence">): Promise<void> {
    const sequence = this.#header.sequence + 1;
    const header: PageFileHeader = { ...fields, sequence };
    const page = encodeFileHeader(header);
    this.#sealer.authenticate(page);
    try {
      // Written by a process that died before its sync, it may not be durable yet; the copy that is
      // about to be overwritten would then be the only one.
      if (!this.#isHeaderDurable) await this.file.datasync();
      this.#isHeaderDurable = true;
      await writeFullyAt(this.file, page, headerPageOf(sequence) * PAGE_BYTES);
      if (!this.#skipsHeaderSync) await this.file.datasync();
    } catch (error) {
      if (isKvsError(error, "DISK_FULL")) throw error;
      throw error instanceof KvsError ? writeFailed(this.#path, error) : error;
    }
    this.#header = header;
    this.#headerKeyIds[headerPageOf(sequence)] = sealedKeyOf(page);
  }

  async #shrinkTo(end: number): Promise<number> {
    const pages = this.#pageCount - end;
    if (pages <= 0) return 0;
    assert(end >= HEADER_COPIES, "a page file keeps its headers");
    this.#pageCount = end;
    try {
      await this.file.truncate(end * PAGE_BYTES);
      // Else a crash could cut off what was allocated and written there later.
      await this.file.datasync();
    } catch (error) {
      throw error instanceof KvsError ? writeFailed(this.#path, error) : error;
    }
    return pages;
  }

  async #growTo(target: number): Promise<void> {
    const missing = target - this.#pageCount;
    if (missing <= 0) return;
    const ahead = Math.min(Math.floor(this.#pageCount / GROW_DIVISOR), GROW_PAGES_MAX);
    const pages = Math.max(missing, GROW_PAGES_MIN, ahead);
    const generous = Math.min(this.#pageCount + pages, PAGES_MAX);
    try {
      await this.#allocate(generous).catch(async (error: unknown) => {
        if (generous === target || !isKvsError(error, "DISK_FULL")) throw error;
        await this.#allocate(target);
      });
    } catch (error) {
      if (isKvsError(error, "DISK_FULL")) throw diskFull(this.#path, error);
      throw error instanceof KvsError ? writeFailed(this.#path, error) : error;
    }
  }

  async #allocate(to: number): Promise<void> {
    await this.file.allocate(this.#pageCount * PAGE_BYTES, to * PAGE_BYTES);
    this.#pageCount = to;
    this.#growthCount++;
  }
}

/**
 * Makes a page file that holds nothing but its header, durably: written under another name first, so
 * that a crash leaves a whole file or none.
 *
 * @param path Must not exist.
 * @throws {KvsError} `DISK_EXISTS`, or another of the disk's codes: what is there then is whole.
 */
export async function createPageFile(
  environment: Environment,
  path: string,
  header: Omit<PageFileHeader, "sequence">,
): Promise<void> {
  const { disk } = environment;
  if ((await disk.stat(path)) !== undefined) {
    const message = `${path} exists; remove it first, or open it`;
    throw new KvsError("DISK_EXISTS", message, { outcome: "none", details: { path } });
  }
  const newPath = `${path}.new`;
  const file = await disk.open(newPath, { create: true });
  try {
    await file.truncate(0); // a crash may have left one
    for (let sequence = 0; sequence < HEADER_COPIES; sequence++) {
      const page = encodeFileHeader({ ...header, sequence });
      await writeFullyAt(file, page, headerPageOf(sequence) * PAGE_BYTES);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(newPath, path);
  await disk.syncDirectory(directoryOf(path));
}

/**
 * Reads the header of a page file that nobody has open.
 *
 * @returns `undefined` if there is no such file.
 * @throws {KvsError} `PAGER_NO_HEADER`, `PAGER_UNKNOWN_VERSION`, `DISK_IO`.
 */
export async function readFileHeader(
  environment: Environment,
  path: string,
): Promise<PageFileHeader | undefined> {
  if ((await environment.disk.stat(path)) === undefined) return undefined;
  const file = await environment.disk.open(path, { readOnly: true });
  try {
    return (await readHeaderCopies(file, path)).newest;
  } finally {
    await file.close();
  }
}

interface OpenedFile {
  readonly file: File;
  readonly pageCount: number;
  readonly headers: Headers;
  readonly sealer: PageSealer;
}

interface Headers {
  readonly newest: PageFileHeader;
  /** The page that it was read from. */
  readonly page: Uint8Array;
  readonly keyIds: number[];
}

async function readHeaderCopies(file: File, path: string): Promise<Headers> {
  let newest: PageFileHeader | undefined;
  let newestPage: Uint8Array | undefined;
  const keyIds: number[] = [];
  for (let copy = 0; copy < HEADER_COPIES; copy++) {
    const page = new Uint8Array(PAGE_BYTES);
    const header = await readHeaderCopy(file, page, copy as PageId, path);
    keyIds.push(header === undefined ? 0 : sealedKeyOf(page));
    if (header === undefined) continue;
    if (newest !== undefined && newest.sequence > header.sequence) continue;
    newest = header;
    newestPage = page;
  }
  if (newest === undefined || newestPage === undefined) throw noHeader(path);
  return { newest, page: newestPage, keyIds };
}

/** A copy that cannot be read is as good as a damaged one: the other may be intact. */
async function readHeaderCopy(
  file: File,
  page: Uint8Array,
  id: PageId,
  path: string,
): Promise<PageFileHeader | undefined> {
  let count = 0;
  try {
    count = await readFullyAt(file, page, id * PAGE_BYTES);
  } catch (error) {
    if (!isKvsError(error, "DISK_IO")) throw error;
  }
  return decodeFileHeader(page.subarray(0, count), id, path);
}

function directoryOf(path: string): string {
  const end = path.lastIndexOf("/");
  if (end === 0) return "/";
  return end < 0 ? "." : path.slice(0, end);
}
