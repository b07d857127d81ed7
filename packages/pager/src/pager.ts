import { type Environment, KvsError, assert } from "@kvs/env";
import { AttemptRunner } from "./attempt-runner.ts";
import { type PageFileHeader, HEADER_COPIES } from "./file-header.ts";
import { type FrameCache } from "./frame-cache.ts";
import { FreeSpace } from "./free-space.ts";
import { PageFile, readFileHeader } from "./page-file.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { NO_PAGE, type PageId, type PageLsn } from "./page-id.ts";
import { type PageLoader } from "./page-loader.ts";
import { type Frame } from "./page-miss.ts";
import { readPageLsn } from "./page-seal.ts";
import { PageSealer } from "./page-sealer.ts";
import { ABSENT } from "./page-table.ts";
import { PageView } from "./page-view.ts";
import { type OldKeyPages, findOldKeyPages } from "./old-keys.ts";
import { closed, corruptPage, writeFailed } from "./pager-error.ts";
import { type PagerOptions, type PagerStats } from "./pager-options.ts";
import { type PagerParts, makeParts } from "./pager-parts.ts";
import { type Room } from "./room.ts";
import { TailTrimmer, type TrimOptions } from "./tail-trimmer.ts";
import { type FlushOptions, type WriteBack } from "./write-back.ts";

/**
 * The pages of one file, cached in frames.
 *
 * Work on pages is synchronous. A body that needs what is not there is stopped by a `PageMiss`;
 * `attempt` provides it and runs the body again. Between the first change to a page and the
 * `dirtied` of the last there must be no miss and no await.
 *
 * What callers can rely on:
 *
 * 1. A page that was fetched stays where it is until the turn ends, or `attempt` or `attemptSync`
 *    loads another for the body.
 * 2. No page is on the disk before the log is durable up to its pageLsn.
 * 3. Every page that comes from the disk is verified; a damaged one is an error, never an answer.
 * 4. Memory stays within the budget, whatever the load.
 *
 * What is written is durable only after `datasync`. Nothing is written by `close`.
 */
export class Pager {
  /** All page numbers that are free. */
  readonly space: FreeSpace;
  readonly #parts: PagerParts;
  readonly #path: string;
  readonly #isReadOnly: boolean;
  readonly #cache: FrameCache;
  readonly #file: PageFile;
  readonly #room: Room;
  readonly #writeBack: WriteBack;
  readonly #loader: PageLoader;
  readonly #attempts: AttemptRunner;
  readonly #trimmer: TailTrimmer;
  readonly #view = new PageView();
  #hits = 0;

  private constructor(parts: PagerParts, options: PagerOptions) {
    const { cache, file, writeBack } = parts;
    const { path } = options;
    this.#parts = parts;
    this.#path = path;
    this.#isReadOnly = options.readOnly ?? false;
    this.#cache = cache;
    this.#file = file;
    this.#room = parts.room;
    this.#writeBack = writeBack;
    this.#loader = parts.loader;
    const grow = (pages: number): Promise<void> => this.grow(pages);
    this.#attempts = new AttemptRunner({ ...parts, path, grow });
    this.space = new FreeSpace({
      pageCount: () => file.pageCount,
      needPages: (pages) => this.#attempts.throwMiss(NO_PAGE, 0, pages),
      lookAt: (id, look) => this.attempt(() => this.#lookAt(id, look)),
      corrupt: (id, fault) => corruptPage(path, id, id * PAGE_BYTES, fault),
      givesTwice: parts.hooks.hasMutant("pager.double-allocate"),
    });
    const drop = (id: PageId): void => this.drop(id);
    this.#trimmer = new TailTrimmer({ ...parts, space: this.space, drop });
  }

  /**
   * Opens a page file.
   *
   * @throws {KvsError} `DISK_NOT_FOUND`, `PAGER_NO_HEADER`, `PAGER_UNKNOWN_VERSION`;
   *   `PAGER_CORRUPT_PAGE` if its header names another file id; `PAGER_NOT_AUTHENTIC` if it is not
   *   what was written under its key; `PAGER_KEY_UNKNOWN`.
   */
  static async open(environment: Environment, options: PagerOptions): Promise<Pager> {
    const { path, fileId, epoch, readOnly = false, keys, onlySealed } = options;
    const owner = { fileId, epoch };
    const sealer = new PageSealer(environment, { path, owner, keys, onlySealed });
    const file = await PageFile.open(environment, path, { readOnly, sealer });
    if (file.header.fileId === fileId)
      return new Pager(makeParts(environment, options, { file, sealer }), options);
    await file.file.close();
    const fault = { reason: "file-id", expected: fileId, found: file.header.fileId } as const;
    throw corruptPage(path, 0, 0, fault);
  }

  /**
   * Reads the header of a page file that nobody has open for writing.
   *
   * @returns `undefined` if there is no such file.
   * @throws {KvsError} `PAGER_NO_HEADER`, `PAGER_UNKNOWN_VERSION`, `DISK_IO`.
   */
  static readHeader(environment: Environment, path: string): Promise<PageFileHeader | undefined> {
    return readFileHeader(environment, path);
  }

  /** Frames within the budget. */
  get frameCount(): number {
    return this.#cache.frameCount;
  }

  /** Length of the file in pages. */
  get pageCount(): number {
    return this.#file.pageCount;
  }

  /** The header as it was read, or written last. */
  get header(): PageFileHeader {
    return this.#file.header;
  }

  /** What the pager was poisoned with. */
  get error(): KvsError | undefined {
    return this.#writeBack.error;
  }

  /**
   * Points `view` at a resident page and marks it used.
   *
   * @returns Its frame, for `point`, `dirtied` and `pageLsnOf` within this turn.
   * @throws {PageMiss} with its id, if it is not resident.
   */
  fetch(id: PageId, view: PageView): Frame {
    const frame = this.#cache.fetch(id, view);
    if (frame === ABSENT) {
      assert(id >= HEADER_COPIES, "no page of content is in the place of a header");
      this.#attempts.throwMiss(id, 0, 0);
    }
    this.#hits++;
    return frame;
  }

  /** Points `view` at the page in this frame. */
  point(frame: Frame, view: PageView): void {
    this.#cache.memory.point(frame, view);
  }

  /**
   * Runs a body that only reads, blocking the process for pages that are not resident.
   *
   * It needs no frame that is busy: if all are, pages pass through one spare frame, one at a time.
   * So a body must go on from where it was when it is run again, or need one page at once at most.
   *
   * @throws What the body throws; {KvsError} `PAGER_CORRUPT_PAGE`, `DISK_IO`, `PAGER_CLOSED`.
   */
  attemptSync<T>(body: () => T): T {
    return this.#attempts.runSync(body);
  }

  /**
   * Runs a body, and runs it again from its start after each miss, with what was missing at hand.
   * It may read and change pages; each run is one turn.
   *
   * The last four pages loaded for it stay for its next run. With four frames, a body can need four
   * pages and new frames together; attempts that began earlier go first.
   *
   * @returns What the body returns.
   * @throws What the body throws; {KvsError} of loading (`PAGER_CORRUPT_PAGE`, `DISK_IO`), of making
   *   room (`DISK_FULL` or another retryable error, `PAGER_WRITE_FAILED`), of growing (`DISK_FULL`,
   *   `PAGER_FILE_FULL`); `PAGER_CLOSED`.
   */
  attempt<T>(body: () => T): Promise<T> {
    return this.#attempts.run(body);
  }

  /**
   * Makes sure that `create` finds `count` frames in this turn, and that not too many are dirty.
   * Call it before every mutation, with 0 if it creates nothing: this is where writers wait for the
   * disk. A later call in the same turn counts anew: pass the sum.
   *
   * @throws {PageMiss} with `frames`. {KvsError} what the pager was poisoned with.
   */
  requireFrames(count: number): void {
    assert(count <= this.frameCount, "no mutation creates more pages than there are frames");
    if (this.#writeBack.error !== undefined) throw this.#writeBack.error;
    if (!this.#room.hasRoom(count)) this.#attempts.throwMiss(NO_PAGE, count, 0);
  }

  /**
   * Gives a page whose content on disk does not matter a frame full of zeros, required before. Make
   * it a page, and call `dirtied`, in the same turn.
   *
   * @param id Below `pageCount`.
   */
  create(id: PageId, view: PageView): Frame {
    assert(!this.#isReadOnly, "a pager that only reads creates no page");
    assert(id >= HEADER_COPIES && id < this.pageCount, "the file was made long enough before");
    this.drop(id);
    const frame = this.#cache.take();
    assert(frame !== ABSENT, "frames are required before pages are created");
    this.#cache.clear(frame);
    this.#cache.install(id, frame);
    this.#cache.memory.point(frame, view);
    return frame;
  }

  /** Says that the page in this frame was changed by the log record that ends at `lsn`. */
  dirtied(frame: Frame, lsn: PageLsn): void {
    assert(!this.#isReadOnly, "a pager that only reads changes no page");
    const wasClean = this.#cache.dirtied(frame, lsn);
    if (wasClean && this.#writeBack.isOverdue) this.#writeBack.schedule();
  }

  /** Forgets a page that is free now: what it held is never written. Resident or not. */
  drop(id: PageId): void {
    this.#loader.supersede(id);
    const frame = this.#cache.frameOf(id);
    if (frame === ABSENT) return;
    this.#writeBack.forget(id);
    this.#cache.drop(frame);
    if (this.#room.isWaitedFor) this.#writeBack.schedule();
  }

  /** The LSN of the last change to the page in this frame. */
  pageLsnOf(frame: Frame): PageLsn {
    return this.#cache.pageLsnOf(frame);
  }

  /**
   * Makes the file longer by at least `pages` pages, durably.
   *
   * @throws {KvsError} `DISK_FULL`: nothing happened, repeat when there is space.
   *   `PAGER_FILE_FULL`; `PAGER_WRITE_FAILED`.
   */
  async grow(pages: number): Promise<void> {
    assert(!this.#isReadOnly, "a pager that only reads does not grow its file");
    if (this.error !== undefined) throw this.error;
    try {
      await this.#poisoning(() => this.#file.grow(pages));
      this.space.noteGrowth(true);
    } catch (error) {
      this.space.noteGrowth(false);
      throw error;
    }
  }

  /**
   * Begins to watch the file's end for `trimTail`. Call it in the turn in which the BEGIN of a
   * checkpoint goes to the log, and then ask `space.regionCount` for the header: regions that hold
   * nothing end here.
   */
  markTail(): void {
    this.space.markTail();
  }

  /**
   * Cuts free pages off the file's end, in steps. Call it only when the header of the checkpoint of
   * the last `markTail` is durable, before the next `markTail`. See `TailTrimmer` for why this is
   * safe. Others may work on meanwhile. Without a mark it does nothing.
   *
   * @returns How many pages the file lost.
   * @throws {KvsError} `PAGER_WRITE_FAILED`.
   */
  async trimTail(options: TrimOptions = {}): Promise<number> {
    assert(!this.#isReadOnly, "a pager that only reads cuts nothing off");
    if (this.error !== undefined) throw this.error;
    return this.#poisoning(() => this.#trimmer.trim(options));
  }

  /**
   * Writes every page whose first change since it was clean ends at or before `lsn`. Pages changed
   * later may be written as well. Nothing is durable before `datasync`.
   *
   * @throws {KvsError} `DISK_FULL` or another retryable error: call again. `PAGER_WRITE_FAILED`.
   */
  flushBefore(lsn: PageLsn, options?: FlushOptions): Promise<void> {
    return this.#writeBack.flushBefore(lsn, options);
  }

  /**
   * Makes every page durable whose write was answered before this call.
   *
   * @throws {KvsError} `PAGER_WRITE_FAILED`: the pager is poisoned.
   */
  async datasync(): Promise<void> {
    if (this.error !== undefined) throw this.error;
    await this.#poisoning(async () => {
      try {
        await this.#file.file.datasync();
      } catch (error) {
        throw error instanceof KvsError ? writeFailed(this.#path, error) : error;
      }
    });
  }

  /**
   * Writes the header with the next sequence number and waits until it is durable. One call at a
   * time.
   *
   * @throws {KvsError} `DISK_FULL`: the header before still holds. `PAGER_WRITE_FAILED`.
   */
  async writeHeader(header: Omit<PageFileHeader, "sequence">): Promise<void> {
    if (this.error !== undefined) throw this.error;
    await this.#poisoning(() => this.#file.writeHeader(header));
  }

  /**
   * Looks at up to `countMax` pages of the file from `from` on, and names those in use that are not
   * under the current key: plain, or sealed with another. It changes nothing, for a page that is
   * written anew needs its image in the log first. So touch each one: load it, log its image, call
   * `dirtied`; then make a checkpoint, and look again. When a pass over the whole file finds nothing,
   * and nothing pending, no page that is in use is under another key; when a checkpoint that began
   * after that pass is complete, no crash brings one back, and two headers were written since:
   * `headerKeyIds` tells. Then old keys may be destroyed.
   *
   * @throws {KvsError} Of the disk, but `DISK_IO`: such a page is counted as damaged.
   */
  pagesUnderOldKeys(from: PageId, countMax: number): Promise<OldKeyPages> {
    const parts = { ...this.#parts, space: this.space };
    return findOldKeyPages(parts, from, countMax);
  }

  /**
   * Whether an intact page that somebody read from the file is what was written there last, as far as
   * is known. False also while a write of it is under way: read it again then.
   */
  isAsWritten(id: PageId, page: Uint8Array): boolean {
    const expected = this.#parts.written.expected(id);
    return expected === 0 || expected === readPageLsn(page);
  }

  /** The keys that the two copies of the header are under; 0 for a plain, missing or damaged one. */
  get headerKeyIds(): readonly number[] {
    return this.#file.headerKeyIds;
  }

  /** Stops all writing for good. Whoever waits for a write, or for a frame, gets the error. */
  poison(error: KvsError): void {
    this.#writeBack.poison(error);
  }

  stats(): PagerStats {
    return {
      hits: this.#hits,
      misses: this.#attempts.misses,
      reads: this.#loader.reads,
      writes: this.#writeBack.writes,
      pagesWritten: this.#writeBack.pagesWritten,
      evictions: this.#cache.evictions,
      dirtyFrames: this.#cache.dirtyCount,
      freeFrames: this.#cache.freeCount,
      damagedPages: this.#loader.quarantine.foundCount,
      quarantinedPages: this.#loader.quarantine.size,
    };
  }

  /**
   * The pages that were found damaged, by number, 1,024 at most. Each answers with the same error,
   * without being read again, until it is created anew or dropped. All others are as good as before.
   */
  quarantined(): readonly PageId[] {
    return this.#loader.quarantine.pages;
  }

  /** Waits for reads and writes under way, and closes the file. Writes nothing. */
  async close(): Promise<void> {
    if (this.#attempts.isClosed) return;
    this.#attempts.close();
    const error = closed(this.#path);
    this.#writeBack.poison(error);
    this.#room.close(error);
    await this.#loader.idle();
    await this.#writeBack.idle();
    await this.#file.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #lookAt(id: PageId, look: (view: PageView) => void): void {
    this.fetch(id, this.#view);
    look(this.#view);
  }

  async #poisoning<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof KvsError && error.code === "PAGER_WRITE_FAILED") this.poison(error);
      throw error;
    }
  }
}
