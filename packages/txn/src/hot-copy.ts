import {
  type Clock,
  type Environment,
  type File,
  KvsError,
  assert,
  readFullyAt,
  sleep,
  writeFullyAt,
  yieldTurn,
} from "@kvs/env";
import { PAGE_BYTES, type PageId, type Pager, findPageFault } from "@kvs/pager";
import { type Wal } from "@kvs/wal";
import { type Checkpointer } from "./checkpoint.ts";
import {
  FRAME_BEGIN,
  FRAME_END,
  FRAME_HEADER_BYTES,
  FRAME_KEYS,
  FRAME_LOG,
  FRAME_PAGES,
  FrameSealer,
  encodeBegin,
  encodeEnd,
} from "./hot-copy-format.ts";
import { type KeyRing } from "./key-ring.ts";
import { type LogHolds } from "./log-hold.ts";
import { type MutationGuard } from "./mutation-guard.ts";
import { parentOf } from "./store-paths.ts";
import { type PageRewriter } from "./page-rewriter.ts";

/** Pages read at once: 512 KiB, half a millisecond to check. */
const READ_PAGES = 128;
const READ_BYTES: number = READ_PAGES * PAGE_BYTES;
/** Reads under way ahead of the consumer. */
const READS_AHEAD = 3;
const BYTES_PER_SECOND_DEFAULT: number = 128 << 20;
/** A page may be read while it is written: so often it is read before the log has to help. */
const TRIES_MAX = 4;
/** Pages 0 and 1 are the header, which changes with every checkpoint: it is read by itself. */
const HEADER_PAGES = 2;

export interface HotCopyOptions {
  /** At most so many bytes a second, so that others have disk and processor. Default: 128 MiB. */
  readonly bytesPerSecond?: number;
}

export interface HotCopyParts {
  readonly environment: Environment;
  /** The page file. */
  readonly pagesPath: string;
  readonly pager: Pager;
  readonly wal: Wal;
  readonly guard: MutationGuard;
  readonly checkpointer: Checkpointer;
  readonly holds: LogHolds;
  readonly rewriter: PageRewriter;
  readonly keys: KeyRing | undefined;
  /** @throws {KvsError} once the store is closed. */
  readonly requireOpen: () => void;
}

/**
 * A consistent copy of a living store, as a stream. Writers and readers go on.
 *
 * 1. A checkpoint: from here on, the first change of each page is in the log as an image.
 * 2. The log is held: no checkpoint cuts it until the copy ends.
 * 3. The pages as they are on the disk, each as of some moment since. One that is being written is
 *    read again; one that only memory has is logged as an image.
 * 4. The log, from where redo begins to the end that is durable when the last page was read.
 *
 * Whoever restores it recovers as after a crash at that end: the copy holds every batch that was
 * answered before it was asked for, then a prefix of what came while it was made.
 *
 * Memory: four buffers of 512 KiB, whatever the store's size. The log grows meanwhile.
 *
 * Format: docs/formats/hot-copy.md. Source: Mohan & Narang, "An Efficient and Flexible Method for
 * Archiving a Data Base" (1993): fuzzy image copies.
 */
export class HotCopy implements AsyncIterable<Uint8Array> {
  readonly #parts: HotCopyParts;
  readonly #pace: Pace;
  readonly #sealer = new FrameSealer();
  readonly #skipsLog: boolean;
  #hasBegun = false;
  #copiedPages = 0;
  #copiedBytes = 0;
  /** The longest that the page file has been: it may shrink, and the log name pages behind its end. */
  #pageCount = 0;

  constructor(parts: HotCopyParts, options: HotCopyOptions = {}) {
    const { clock, hooks } = parts.environment;
    this.#parts = parts;
    this.#pace = new Pace(clock, options.bytesPerSecond ?? BYTES_PER_SECOND_DEFAULT);
    this.#skipsLog = hooks.hasMutant("txn.copy-skips-log");
  }

  /** Bytes handed out so far. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /**
   * The copy's bytes, once. Each piece is valid until the next is asked for. Leave the loop to give
   * the copy up.
   *
   * @throws {KvsError} `TXN_POISONED`, `TXN_CLOSED`; `PAGER_CORRUPT_PAGE`: the store itself is
   *   damaged there; errors of the disk. What was read until then is no copy.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    assert(!this.#hasBegun, "a copy is read once");
    this.#hasBegun = true;
    for await (const piece of this.#pieces()) {
      this.#parts.requireOpen();
      this.#copiedBytes += piece.length;
      yield piece;
      await this.#pace.wait(piece.length);
    }
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    const { checkpointer, keys, requireOpen } = this.#parts;
    requireOpen();
    const start = await checkpointer.runThen(() => this.#start());
    try {
      yield this.#sealer.frame(FRAME_BEGIN, start.begin);
      yield this.#sealPages(start.header, 0, HEADER_PAGES);
      yield* this.#readPages();
      const logEnd = await this.#makeLogDurable();
      const pageCount = this.#notePageCount(); // grown before its new pages come into the log
      yield* this.#readLog(start.logStart, logEnd);
      if (keys !== undefined) yield this.#sealer.frame(FRAME_KEYS, keys.encode());
      const end = { pageCount, copiedPages: this.#copiedPages, logEnd };
      yield this.#sealer.frame(FRAME_END, encodeEnd(end));
    } finally {
      start.release();
    }
  }

  /** Begins behind a checkpoint, before the next: the header on the disk is that checkpoint's. */
  async #start(): Promise<{
    readonly begin: Uint8Array;
    readonly header: Uint8Array;
    readonly logStart: number;
    readonly release: () => void;
  }> {
    const { environment, wal, pager, holds, pagesPath } = this.#parts;
    const { headPosition: logStart, segmentBytes } = wal.stats();
    const { storeId, fileId } = pager.header;
    const createdMs = Math.max(0, environment.clock.wallMs());
    const release = holds.hold(logStart);
    try {
      const header = new Uint8Array(FRAME_HEADER_BYTES + HEADER_PAGES * PAGE_BYTES);
      const file = await environment.disk.open(pagesPath, { readOnly: true });
      try {
        await readFullyAt(file, header.subarray(FRAME_HEADER_BYTES), 0);
      } finally {
        await file.close();
      }
      const begin = encodeBegin({ storeId, fileId, segmentBytes, logStart, createdMs });
      return { begin, header, logStart, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Every page in use, in runs; the next ones are read while the consumer has these. */
  async *#readPages(): AsyncGenerator<Uint8Array, void, undefined> {
    const { environment, pagesPath } = this.#parts;
    const file = await environment.disk.open(pagesPath, { readOnly: true });
    const buffers: Uint8Array[] = [];
    for (let count = 0; count <= READS_AHEAD; count++) {
      buffers.push(new Uint8Array(FRAME_HEADER_BYTES + READ_BYTES));
    }
    const reading: Reading[] = [];
    let next = HEADER_PAGES;
    try {
      for (;;) {
        const pageCount = this.#notePageCount();
        while (reading.length < READS_AHEAD && next < pageCount) {
          const count = Math.min(READ_PAGES, pageCount - next);
          if (!this.#isAllFree(next, count)) {
            reading.push(beginRead(file, buffers.pop()!, next, count));
          }
          next += count;
        }
        const read = reading.shift();
        if (read === undefined) return;
        yield* this.#pagesOf(file, { ...read, bytes: await read.done });
        buffers.push(read.buffer);
        await yieldTurn(environment.clock);
      }
    } finally {
      await Promise.allSettled(reading.map(({ done }) => done));
      await file.close();
    }
  }

  #notePageCount(): number {
    this.#pageCount = Math.max(this.#pageCount, this.#parts.pager.pageCount);
    return this.#pageCount;
  }

  #isAllFree(first: number, count: number): boolean {
    const { space } = this.#parts.pager;
    for (let page = first; page < first + count; page++) {
      if (!space.isFree(page as PageId)) return false;
    }
    return true;
  }

  /** The pages of one read that belong into the copy, as frames that lie in its buffer. */
  async *#pagesOf(
    file: File,
    read: { buffer: Uint8Array; first: number; count: number; bytes: number },
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { buffer, first, count } = read;
    let runFrom: number | undefined;
    for (let page = 0; page <= count; page++) {
      const isWanted = page < count && (await this.#isWanted(file, read, page));
      if (isWanted) runFrom ??= page;
      if (isWanted || runFrom === undefined) continue;
      // Before a run there is room for a header: of the buffer, or a page that is left out.
      const from = runFrom * PAGE_BYTES;
      const frame = buffer.subarray(from, FRAME_HEADER_BYTES + page * PAGE_BYTES);
      yield this.#sealPages(frame, first + runFrom, page - runFrom);
      runFrom = undefined;
    }
  }

  /** Whether a page is to be in the copy; if so, its place in the buffer holds it whole. */
  async #isWanted(
    file: File,
    read: { buffer: Uint8Array; first: number; bytes: number },
    page: number,
  ): Promise<boolean> {
    const { pager, environment, rewriter, requireOpen } = this.#parts;
    const { fileId } = pager.header;
    const id = (read.first + page) as PageId;
    const from = FRAME_HEADER_BYTES + page * PAGE_BYTES;
    const target = read.buffer.subarray(from, from + PAGE_BYTES);
    let bytes = Math.min(PAGE_BYTES, Math.max(0, read.bytes - page * PAGE_BYTES));
    for (let tries = 1; ; tries++) {
      if (pager.space.isFree(id)) return false;
      const isIntact = findPageFault(target.subarray(0, bytes), { id, fileId }) === undefined;
      if (isIntact && pager.isAsWritten(id, target)) return true;
      if (tries === TRIES_MAX) break;
      await yieldTurn(environment.clock);
      bytes = await readFullyAt(file, target, id * PAGE_BYTES);
    }
    environment.hooks.probe("txn.copy-logged-page");
    requireOpen(); // nothing is logged behind the last checkpoint
    await rewriter.rewrite([id]); // damaged on the disk, and not in memory: this tells
    return false;
  }

  #sealPages(frame: Uint8Array, first: number, count: number): Uint8Array {
    this.#sealer.seal(frame, FRAME_PAGES, first);
    this.#copiedPages += count;
    return frame;
  }

  async #makeLogDurable(): Promise<number> {
    const { wal, guard, requireOpen } = this.#parts;
    requireOpen();
    guard.requireSound();
    await wal.sync();
    guard.requireSound();
    return wal.durableLsn;
  }

  async *#readLog(from: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { environment, wal } = this.#parts;
    if (this.#skipsLog) return;
    const { segmentBytes } = wal.stats();
    const buffer = new Uint8Array(FRAME_HEADER_BYTES + READ_BYTES);
    for (let base = from; base < end; base += segmentBytes) {
      const file = await environment.disk.open(wal.pathOf(base), { readOnly: true });
      try {
        const bytes = Math.min(segmentBytes, end - base);
        for (let at = 0; at < bytes; at += READ_BYTES) {
          const frame = buffer.subarray(0, FRAME_HEADER_BYTES + Math.min(READ_BYTES, bytes - at));
          await readFullyAt(file, frame.subarray(FRAME_HEADER_BYTES), at);
          this.#sealer.seal(frame, FRAME_LOG, base + at);
          yield frame;
          await yieldTurn(environment.clock);
        }
      } finally {
        await file.close();
      }
    }
  }
}

/**
 * Writes a copy into a file, durably; it has its name when it is whole.
 *
 * @returns Its length in bytes.
 * @throws {KvsError} `DISK_EXISTS` if there is one; as the copy; errors of the disk.
 */
export async function writeCopy(
  environment: Environment,
  copy: AsyncIterable<Uint8Array>,
  path: string,
): Promise<number> {
  const { disk } = environment;
  if ((await disk.stat(path)) !== undefined) {
    const message = `${path} exists; choose another name for the copy, or remove it first`;
    throw new KvsError("DISK_EXISTS", message, { outcome: "none", details: { path } });
  }
  const partPath = `${path}.part`;
  const file = await disk.open(partPath, { create: true });
  let length = 0;
  try {
    await file.truncate(0);
    for await (const piece of copy) {
      await writeFullyAt(file, piece, length);
      length += piece.length;
    }
    await file.datasync();
  } catch (error) {
    await disk.unlink(partPath).catch(() => undefined); // why the copy failed says more
    throw error;
  } finally {
    await file.close();
  }
  await disk.rename(partPath, path);
  await disk.syncDirectory(parentOf(path));
  return length;
}

interface Reading {
  readonly buffer: Uint8Array;
  readonly first: number;
  readonly count: number;
  /** Resolves with the bytes read. */
  readonly done: Promise<number>;
}

function beginRead(file: File, buffer: Uint8Array, first: number, count: number): Reading {
  const target = buffer.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + count * PAGE_BYTES);
  const done = readFullyAt(file, target, first * PAGE_BYTES);
  done.catch(() => undefined); // whoever comes to it is told
  return { buffer, first, count, done };
}

/** A stream that was held up may make up for so much time, not more. */
const CATCH_UP_MS = 200;

/** Holds a stream to a rate. */
class Pace {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  #dueMs: number;

  constructor(clock: Clock, bytesPerSecond: number) {
    assert(bytesPerSecond > 0, "a copy makes progress");
    this.#clock = clock;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#dueMs = clock.monotonicMs();
  }

  async wait(bytes: number): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - CATCH_UP_MS) + bytes / this.#bytesPerMs;
    const delayMs = this.#dueMs - nowMs;
    if (delayMs >= 1) await sleep(this.#clock, delayMs);
  }
}
