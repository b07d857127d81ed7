import { readFullyAt, readFullyAtSync } from "@kvs/env";
import { type FrameCache } from "./frame-cache.ts";
import { type PageFile } from "./page-file.ts";
import { PAGE_BYTES } from "./page-header.ts";
import { type PageId } from "./page-id.ts";
import { type Frame } from "./page-miss.ts";
import { findPageFault } from "./page-seal.ts";
import { type PageSealer } from "./page-sealer.ts";
import { corruptPage } from "./pager-error.ts";
import { ABSENT } from "./page-table.ts";
import { type Attempt, type Room } from "./room.ts";
import { type WriteBack } from "./write-back.ts";

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
  readonly ignoresChecksum: boolean;
}

/**
 * Brings pages from the disk into frames, and verifies each.
 *
 * A page becomes resident only when it is complete and verified. Attempts that want a page which is
 * being read share the read. If the page comes into being in another way meanwhile, by a blocking
 * read or because it was created, what the read brings is old: it is thrown away.
 */
export class PageLoader {
  reads = 0;
  readonly #parts: PageLoaderParts;
  readonly #loading: Map<PageId, Loading> = new Map();

  constructor(parts: PageLoaderParts) {
    this.#parts = parts;
  }

  /**
   * Brings in a page and pins it for the attempt. It may be gone again when this resolves, if an
   * older attempt needed the frame: run the body again and see.
   *
   * @throws {KvsError} `PAGER_CORRUPT_PAGE`, `DISK_IO`, or what {@link Room.take} throws.
   */
  async load(attempt: Attempt, id: PageId): Promise<void> {
    const { room } = this.#parts;
    for (;;) {
      if (this.#pinIfResident(attempt, id)) return;
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
   * @throws {KvsError} `PAGER_CORRUPT_PAGE`, `DISK_IO`.
   */
  loadSync(id: PageId): void {
    const { cache, file, writeBack } = this.#parts;
    cache.clearSpare();
    if (cache.freeCount === 0) cache.evict(false);
    let frame = cache.take();
    if (frame === ABSENT) frame = cache.spare;
    const target = cache.memory.bytes(frame);
    try {
      if (writeBack.isWriting(id)) this.#takeCopy(id, target);
      else this.#verify(id, target, readFullyAtSync(file.file, target, id * PAGE_BYTES));
    } catch (error) {
      cache.giveBack(frame);
      throw error;
    }
    this.reads++;
    this.supersede(id);
    cache.install(id, frame);
  }

  /** The page is about to become resident, or void, without its read: what that brings is old. */
  supersede(id: PageId): void {
    this.#loading.delete(id);
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
    const { cache, file, writeBack, room } = this.#parts;
    const { frame } = loading;
    const target = cache.memory.bytes(frame);
    try {
      if (writeBack.isWriting(id)) this.#takeCopy(id, target);
      else this.#verify(id, target, await readFullyAt(file.file, target, id * PAGE_BYTES));
      this.reads++;
      if (this.#loading.get(id) === loading) this.#finish(id, loading);
      else cache.giveBack(frame);
    } catch (error) {
      cache.giveBack(frame);
      if (this.#loading.get(id) !== loading) return; // what it was to bring is there, or void
      this.#loading.delete(id);
      throw error;
    } finally {
      room.serve();
    }
  }

  #finish(id: PageId, loading: Loading): void {
    this.#loading.delete(id);
    this.#parts.cache.install(id, loading.frame);
    for (const attempt of loading.attempts) this.#parts.room.pin(attempt, loading.frame);
  }

  /** The page was dropped while it was being written: what is on its way to the disk is the page. */
  #takeCopy(id: PageId, target: Uint8Array): void {
    this.#parts.writeBack.copyUnderWay(id, target);
    this.#parts.sealer.open(target, id);
  }

  #verify(id: PageId, target: Uint8Array, count: number): void {
    const { path, fileId } = this.#parts;
    const fault = findPageFault(target.subarray(0, count), { id, fileId });
    if (fault === undefined) return this.#parts.sealer.open(target, id);
    if (fault.reason === "checksum" && this.#parts.ignoresChecksum) return;
    throw corruptPage(path, id, id * PAGE_BYTES, fault);
  }
}
