import { type Environment, readFullyAt, readFullyAtSync } from "@kvs/env";
import { type FrameCache } from "./frame-cache.ts";
import { type PageFile } from "./page-file.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { type Frame } from "./page-miss.ts";
import { findPageFault, readPageEpoch, readPageLsn } from "./page-seal.ts";
import { type PageSealer } from "./page-sealer.ts";
import { corruptPage, lostWrite } from "./pager-error.ts";
import { Quarantine, isDamage } from "./quarantine.ts";
import { ABSENT } from "./page-table.ts";
import { type Attempt, type Room } from "./room.ts";
import { type WriteBack } from "./write-back.ts";
import { type WrittenLsns } from "./written-lsns.ts";

/** A page that does not pass is read so often. */
const READS_MAX = 2;

/** A read under way, and the attempts that wait for it. */
interface Loading {
  readonly frame: Frame;
  readonly attempts: Attempt[];
  done: Promise<void>;
}

export interface PageLoaderParts {
  readonly path: string;
  readonly fileId: number;
  readonly cache: FrameCache;
  readonly file: PageFile;
  readonly room: Room;
  readonly writeBack: WriteBack;
  readonly sealer: PageSealer;
  readonly written: WrittenLsns;
  /** This life of the store, and how far its log was durable when the file was opened. */
  readonly epoch: number;
  readonly logEndLsn: number;
}

/**
 * Brings pages from the disk into frames, and verifies each.
 *
 * A page becomes resident only when it is complete and verified. Attempts that want a page which is
 * being read share the read. If the page comes into being in another way meanwhile, by a blocking
 * read or because it was created, what the read brings is old: it is thrown away.
 *
 * A page that does not pass is read once more, for a bit may have changed on its way; then it is in
 * quarantine.
 */
export class PageLoader {
  reads = 0;
  readonly quarantine: Quarantine = new Quarantine();
  readonly #parts: PageLoaderParts;
  readonly #loading: Map<PageId, Loading> = new Map();
  readonly #ignoresChecksum: boolean;
  readonly #ignoresPageId: boolean;
  readonly #ignoresLogEnd: boolean;

  constructor(environment: Environment, parts: PageLoaderParts) {
    this.#parts = parts;
    this.#ignoresChecksum = environment.hooks.hasMutant("pager.ignore-checksum");
    this.#ignoresPageId = environment.hooks.hasMutant("pager.ignore-page-id");
    this.#ignoresLogEnd = environment.hooks.hasMutant("pager.ignore-log-end");
  }

  /**
   * Brings in a page and pins it for the attempt. It may be gone again when this resolves, if an
   * older attempt needed the frame: run the body again and see.
   *
   * @throws {KvsError} `PAGER_CORRUPT_PAGE`, `PAGER_NOT_AUTHENTIC`, `PAGER_KEY_UNKNOWN`,
   *   `PAGER_LOST_WRITE`, `DISK_IO`, or what {@link Room.take} throws.
   */
  async load(attempt: Attempt, id: PageId): Promise<void> {
    const { room } = this.#parts;
    for (;;) {
      if (this.#pinIfResident(attempt, id)) return;
      this.quarantine.requireSound(id);
      const shared = this.#loading.get(id);
      if (shared !== undefined) {
        shared.attempts.push(attempt);
        room.returnSetAside(attempt);
        room.serve();
        await shared.done;
        return;
      }
      if (attempt.setAside.length > 0) break;
      // While this waits, the page may come into a frame, or another attempt begin to read it.
      const wait = room.take(attempt, 1, false);
      if (wait !== undefined) await wait;
    }
    const frame = attempt.setAside.pop()!;
    const loading: Loading = { frame, attempts: [attempt], done: Promise.resolve() };
    this.#loading.set(id, loading);
    loading.done = this.#read(id, loading);
    await loading.done;
  }

  /**
   * Brings in a page while everything else stands still.
   *
   * @throws {KvsError} As {@link load}.
   */
  loadSync(id: PageId): void {
    const { cache } = this.#parts;
    this.quarantine.requireSound(id);
    cache.clearSpare();
    if (cache.freeCount === 0) cache.evict(false);
    let frame = cache.take();
    if (frame === ABSENT) frame = cache.spare;
    try {
      this.#readSync(id, cache.memory.bytes(frame));
    } catch (error) {
      cache.giveBack(frame);
      this.quarantine.note(id, error);
      throw error;
    }
    this.reads++;
    this.supersede(id);
    cache.install(id, frame);
  }

  /** The page is about to become resident, or void, without its read: what that brings is old. */
  supersede(id: PageId): void {
    this.#loading.delete(id);
    this.quarantine.lift(id);
  }

  /** Waits until no read is under way. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#loading.values()].map(({ done }) => done));
  }

  #pinIfResident(attempt: Attempt, id: PageId): boolean {
    const frame = this.#parts.cache.frameOf(id);
    if (frame === ABSENT) return false;
    this.#parts.room.pin(attempt, frame);
    return true;
  }

  async #read(id: PageId, loading: Loading): Promise<void> {
    const { cache, room } = this.#parts;
    const { frame } = loading;
    try {
      await this.#readPage(id, cache.memory.bytes(frame));
      this.reads++;
      if (this.#loading.get(id) === loading) this.#finish(id, loading);
      else cache.giveBack(frame);
    } catch (error) {
      cache.giveBack(frame);
      if (this.#loading.get(id) !== loading) return; // what it was to bring is there, or void
      this.#loading.delete(id);
      this.quarantine.note(id, error);
      throw error;
    } finally {
      room.serve();
    }
  }

  async #readPage(id: PageId, target: Uint8Array): Promise<void> {
    const { file } = this.#parts.file;
    for (let reads = 1; ; reads++) {
      if (this.#takeCopy(id, target)) return;
      const count = await readFullyAt(file, target, id * PAGE_BYTES);
      if (this.#isSound(id, target.subarray(0, count), reads)) return;
    }
  }

  #readSync(id: PageId, target: Uint8Array): void {
    const { file } = this.#parts.file;
    for (let reads = 1; ; reads++) {
      if (this.#takeCopy(id, target)) return;
      const count = readFullyAtSync(file, target, id * PAGE_BYTES);
      if (this.#isSound(id, target.subarray(0, count), reads)) return;
    }
  }

  #finish(id: PageId, loading: Loading): void {
    this.#loading.delete(id);
    this.#parts.cache.install(id, loading.frame);
    for (const attempt of loading.attempts) this.#parts.room.pin(attempt, loading.frame);
  }

  /** Of a page that was dropped while it was being written, that copy is the page. */
  #takeCopy(id: PageId, target: Uint8Array): boolean {
    const { writeBack, sealer } = this.#parts;
    if (!writeBack.isWriting(id)) return false;
    writeBack.copyUnderWay(id, target);
    sealer.open(target, id);
    return true;
  }

  /**
   * Verifies and opens what was read. Returns false if it is to be read once more.
   *
   * @throws {KvsError} If there is no more hope.
   */
  #isSound(id: PageId, page: Uint8Array, reads: number): boolean {
    try {
      this.#verify(id, page);
      return true;
    } catch (error) {
      if (reads < READS_MAX && isDamage(error)) return false;
      throw error;
    }
  }

  #verify(id: PageId, page: Uint8Array): void {
    const { path, fileId, sealer, written } = this.#parts;
    const fault = findPageFault(page, { id, fileId });
    if (fault !== undefined) {
      if (fault.reason === "checksum" && this.#ignoresChecksum) return;
      const isAstray = fault.reason === "page-id" || fault.reason === "file-id";
      if (!isAstray || !this.#ignoresPageId) {
        throw corruptPage(path, id, id * PAGE_BYTES, fault);
      }
    }
    const found = readPageLsn(page);
    this.#requireLogged(id, page, found);
    const expected = written.expected(id);
    if (expected !== 0 && found !== expected) throw lostWrite(path, id, expected, found);
    sealer.open(page, id);
  }

  /**
   * By the WAL rule the log of a page was durable before the page was written. Where the log ends
   * before it, the log has lost its end, by damage or because it is an older copy: what the page
   * holds was never decided, as far as anybody can tell now.
   */
  #requireLogged(id: PageId, page: Uint8Array, lsn: number): void {
    const { path, epoch, logEndLsn } = this.#parts;
    const isOlder = readPageEpoch(page) < epoch;
    if (!isOlder || lsn <= logEndLsn || this.#ignoresLogEnd) return;
    const fault = { reason: "log-end", expected: logEndLsn, found: lsn } as const;
    throw corruptPage(path, id, id * PAGE_BYTES, fault);
  }
}
